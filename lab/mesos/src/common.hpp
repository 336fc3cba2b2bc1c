// What the two daemons share: loading flags, environment, logging, authorization.
#pragma once
#include "abi.hpp"
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <sstream>
#include <sys/stat.h>
#include <unistd.h>

#define MESOS_VERSION "1.11.0"
#define RW_REALM(kind) "mesos-" kind "-readwrite"
#define RO_REALM(kind) "mesos-" kind "-readonly"

[[noreturn]] inline void die(const std::string& m) { std::cerr << m << std::endl; exit(EXIT_FAILURE); }

template <typename T> T* must(Try<T*, Error> t, const char* what) {
  if (t.isError()) die(std::string("Failed to create ") + what + ": " + t.error());
  return t.get();
}

inline void logLine(google::Severity severity, const std::string& text) {
  google::LogMessage(__FILE__, __LINE__, severity).stream() << text;
}

// Every flag's value as text (defaults included), by its upper-case name.  This is
// how the program learns values without knowing where in Flags they are stored.  A flag
// that was given by its older alias stands there under the alias.
struct Values {
  std::map<std::string, std::string> v;
  std::vector<std::string> args;
  bool has(const std::string& k) const { return v.count(k) != 0; }
  std::string at(const std::string& k) const { auto i = v.find(k); return i == v.end() ? "" : i->second; }
  bool yes(const std::string& k) const { return at(k) == "true"; }
  // The value of a flag that has an older alias.
  std::string either(const std::string& name, const std::string& alias) const {
    return has(alias) ? at(alias) : at(name);
  }
  Option<std::string> opt(const std::string& k) const {
    return has(k) ? Option<std::string>(at(k)) : Option<std::string>();
  }
  // A flag as it was given (its printed form is of no use): command line, then environment.
  std::string given(const std::string& flag) const {
    std::string text, key = "--" + flag + "=";
    if (const char* e = getenv(("MESOS_" + flag).c_str())) text = e;
    std::string upper = flag;
    for (char& c : upper) c = toupper(c);
    if (const char* e = getenv(("MESOS_" + upper).c_str())) text = e;
    for (const std::string& a : args) if (a.rfind(key, 0) == 0) text = a.substr(key.size());
    return text;
  }
  void exportAs(const char* key, const char* env) const {
    if (has(key)) setenv(env, at(key).c_str(), 1);
  }
};

inline std::string trim(const std::string& s) {
  const char* space = " \t\r\n\f\v";
  const size_t first = s.find_first_not_of(space);
  return first == std::string::npos ? "" : s.substr(first, s.find_last_not_of(space) - first + 1);
}

// What a shell command prints, trimmed.
inline std::string shell(const std::string& cmd) {
  std::string out;
  char b[256];
  FILE* p = popen(cmd.c_str(), "r");
  if (!p) die("Failed to run '" + cmd + "'");
  while (fgets(b, sizeof b, p)) out += b;
  if (pclose(p) != 0) die("Failed to execute '" + cmd + "'; it must end with status 0");
  return trim(out);
}

inline void makeDirs(const std::string& path) {
  for (size_t i = 1; i <= path.size(); i++)
    if (i == path.size() || path[i] == '/') mkdir(path.substr(0, i).c_str(), 0755);
}

// The value of a flag that may be given as the path of a file that holds it.
inline std::string readIfFile(std::string s) {
  if (s.rfind("file://", 0) == 0) s = s.substr(7);
  else if (s.empty() || s[0] != '/') return s;
  std::ifstream f(s);
  std::stringstream b;
  b << f.rdbuf();
  return trim(b.str());
}

// The compiler must not assume that the object behind p has *our* layout (virtual
// base offsets come from libmesos' vtables): hide where the pointer came from.
template <typename T> T* launder(T* p) { asm volatile("" : "+r"(p)); return p; }

template <typename Flags>
Values loadFlags(Flags* flags, int argc, char** argv, const char* name) {
  flags::FlagsBase* base = launder(flags);
  auto load = base->load(Option<std::string>("MESOS_"), argc, argv, false, false);
  if (base->help) { std::cout << base->usage(Option<std::string>()) << std::endl; exit(0); }
  Values values{base->buildEnvironment(Option<std::string>()), {argv, argv + argc}};
  if (values.yes("VERSION")) { std::cout << "mesos " MESOS_VERSION << std::endl; exit(0); }
  if (load.isError())
    die(load.error() + "\n\nSee `" + name + " --help` for a list of supported flags.");

  // libmesos' logging wants an Option holding its own Flags; let that one read the same
  // arguments (ignoring the flags that are not about logging).
  struct OptionalLogging { int some; alignas(8) char t[sizeof(mesos::internal::logging::Flags)]; };
  auto* option = new OptionalLogging();
  option->some = 0;  // Option::SOME
  auto* logging = launder(new (option->t) mesos::internal::logging::Flags());
  logging->load(Option<std::string>("MESOS_"), argc, argv, true, true);
  mesos::internal::logging::initialize(
      argv[0], true, *reinterpret_cast<Option<mesos::internal::logging::Flags>*>(option));
  for (auto& w : load.get().warnings) logLine(google::WARNING, w.message);
  logLine(google::INFO, "Version: " MESOS_VERSION);
  return values;
}

// A flag whose feature this build does not have must not be accepted in silence.
inline void refuse(const Values& f, std::initializer_list<const char*> flags) {
  for (const char* flag : flags) {
    std::string key = flag;
    for (char& c : key) c = toupper(c);
    if (f.has(key) && f.at(key) != "false")
      die(std::string("--") + flag + " is not supported by this build of Mesos (see README.md)");
  }
}

// One address that is given, or found by a command, goes to libprocess by its environment.
inline void exportOneAddress(const Values& f, const char* key, const char* flag, const char* env) {
  const std::string command = std::string(key) + "_DISCOVERY_COMMAND";
  if (f.has(key) && f.has(command))
    die(std::string("Only one of `--") + flag + "` or `--" + flag +
        "_discovery_command` should be specified");
  f.exportAs(key, env);
  if (f.has(command)) setenv(env, shell(f.at(command)).c_str(), 1);
}

inline void exportAddress(const Values& f) {
  exportOneAddress(f, "IP", "ip", "LIBPROCESS_IP");
  exportOneAddress(f, "IP6", "ip6", "LIBPROCESS_IP6");
  f.exportAs("PORT", "LIBPROCESS_PORT");
  f.exportAs("ADVERTISE_IP", "LIBPROCESS_ADVERTISE_IP");
  f.exportAs("ADVERTISE_PORT", "LIBPROCESS_ADVERTISE_PORT");
  f.exportAs("MEMORY_PROFILING", "LIBPROCESS_MEMORY_PROFILING");
}

inline void startLibprocess(const std::string& id, const char* rw, const char* ro) {
  if (!process::initialize(Option<std::string>(id), Option<std::string>(rw), Option<std::string>(ro)))
    die("libprocess was already initialized");
  process::spawn(launder(new mesos::internal::VersionProcess()), true);
}

inline Duration duration(const std::string& text) {
  auto d = Duration::parse(text);
  if (d.isError()) die(d.error());
  return d.get();
}

// The authorizer also guards libprocess' own endpoints, through a map of callbacks that
// only passes through here.
struct Callbacks { alignas(8) char opaque[1024]; ~Callbacks() {} };
Callbacks createAuthorizationCallbacks(mesos::Authorizer*) __asm__(
    "_ZN5mesos13authorization28createAuthorizationCallbacksB5cxx11EPNS_10AuthorizerE");
void setCallbacks(const Callbacks&) __asm__(
    "_ZN7process4http13authorization12setCallbacksERK7hashmapINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES"
    "t8functionIFNS_6FutureIbEENS0_7RequestE6OptionINS0_14authentication9PrincipalEEEESt4hashIS8_ESt8equal_toIS8_EE");

// --acls / a named authorizer module.
inline Option<mesos::Authorizer*> makeAuthorizer(const Values& f, const std::string& name) {
  mesos::Authorizer* a;
  if (name != "local") {
    a = must(mesos::Authorizer::create(name), "authorizer");
  } else if (f.has("ACLS")) {
    auto acls = flags::parse<mesos::ACLs>(readIfFile(f.given("acls")));
    if (acls.isError()) die("Failed to parse --acls");
    a = must(mesos::Authorizer::create(acls.get()), "authorizer");
  } else {
    return Option<mesos::Authorizer*>();
  }
  setCallbacks(createAuthorizationCallbacks(a));
  return Option<mesos::Authorizer*>(a);
}
