// mesos-master on top of the libmesos that the Apache Mesos project published inside the
// mesos.scheduler egg.  It does, in the same order, what upstream's own main does.
#include "common.hpp"
#include <dlfcn.h>

using namespace mesos;
using namespace mesos::internal;
using std::string;

// The allocator's constructor is private in libmesos: bind it by its symbol.
void constructAllocator(void*) __asm__(
    "_ZN5mesos8internal6master9allocator14MesosAllocatorINS2_28HierarchicalAllocatorProcess"
    "INS2_9DRFSorterES5_EEEC1Ev");

// zk://[user:password@]host:port,host:port/path
struct ZkUrl {
  string servers, path;
  Option<zookeeper::Authentication>* auth = new Option<zookeeper::Authentication>();
  explicit ZkUrl(string u) {
    if (u.rfind("zk://", 0) != 0) die("Error parsing ZooKeeper URL: expecting 'zk://'");
    u = u.substr(5);
    size_t slash = u.find('/');
    path = slash == string::npos ? "/" : u.substr(slash);
    servers = u.substr(0, slash);
    size_t at = servers.find('@');
    if (at != string::npos) {
      auth = new Option<zookeeper::Authentication>({"digest", servers.substr(0, at)});
      servers = servers.substr(at + 1);
    }
    while (path.size() > 1 && path.back() == '/') path.pop_back();
  }
};

static state::Storage* openRegistry(const Values& f, const Option<string>& zk) {
  const string kind = f.at("REGISTRY");
  if (kind == "in_memory") return new state::InMemoryStorage();
  if (kind != "replicated_log" && kind != "log_storage")
    die("'" + kind + "' is not a supported option for registry persistence");
  if (!f.has("WORK_DIR")) die("--work_dir needed for replicated log based registry");
  makeDirs(f.at("WORK_DIR"));
  const string dir = f.at("WORK_DIR") + "/replicated_log";
  const bool init = f.yes("LOG_AUTO_INITIALIZE");
  const Option<string> metrics(string("registrar/"));
  if (zk.isSome()) {
    if (!f.has("QUORUM"))
      die("Need to specify --quorum for replicated log based registry when using ZooKeeper");
    ZkUrl url(zk.get());
    const string znode = (url.path == "/" ? "" : url.path) + "/log_replicas";
    return new state::LogStorage(
        new log::Log(std::stoi(f.at("QUORUM")), dir, url.servers,
                     duration(f.at("ZK_SESSION_TIMEOUT")), znode, *url.auth, init, metrics), 0);
  }
  return new state::LogStorage(
      new log::Log(1, dir, std::set<process::UPID>(), init, metrics), 0);
}

static Option<std::shared_ptr<process::RateLimiter>> removalLimiter(const Values& f) {
  typedef Option<std::shared_ptr<process::RateLimiter>> Limiter;
  const string text = f.either("AGENT_REMOVAL_RATE_LIMIT", "SLAVE_REMOVAL_RATE_LIMIT");
  if (text.empty()) return Limiter();
  const size_t slash = text.find('/');
  char* end = nullptr;
  const long permits = strtol(text.c_str(), &end, 10);
  if (slash == string::npos || end != text.c_str() + slash || permits <= 0)
    die("Invalid agent_removal_rate_limit: " + text + ". Format is <Number of agents>/<Duration>");
  auto* r = new process::RateLimiter(permits, duration(text.substr(slash + 1)));
  return Limiter(std::shared_ptr<process::RateLimiter>(r, [](process::RateLimiter*) {}));
}

// Master keeps its MasterInfo as a member at an offset that is not ours to know: it is
// the first word of the object that points to MasterInfo's vtable.
static const MasterInfo& infoOf(internal::master::Master* m) {
  void** vtable = static_cast<void**>(dlsym(RTLD_DEFAULT, "_ZTVN5mesos10MasterInfoE")) + 2;
  for (void** p = reinterpret_cast<void**>(m); p < reinterpret_cast<void**>(m + 1); p++)
    if (*p == vtable) return *reinterpret_cast<MasterInfo*>(p);
  die("no MasterInfo in Master");
}

int main(int argc, char** argv) {
  auto* flags = launder(new internal::master::Flags());
  const Values f = loadFlags(flags, argc, argv, "mesos-master");
  refuse(f, {"firewall_rules", "modules", "modules_dir", "hooks"});
  const string allocatorName = f.at("ALLOCATOR");
  if ((allocatorName != "hierarchical" && allocatorName != "HierarchicalDRF") ||
      f.either("ROLE_SORTER", "USER_SORTER") != "drf" || f.at("FRAMEWORK_SORTER") != "drf")
    die("--allocator, --role_sorter and --framework_sorter: this build of Mesos has only the "
        "hierarchical allocator with the sorter drf");
  exportAddress(f);
  if (f.has("ZK") && (f.has("MASTER_CONTENDER") || f.has("MASTER_DETECTOR")))
    die("Only one of --zk or the --master_contender/--master_detector pair should be specified.");
  if (f.has("MASTER_CONTENDER") != f.has("MASTER_DETECTOR"))
    die("Both --master_contender and --master_detector should be specified or omitted.");
  startLibprocess("master", RW_REALM("master"), RO_REALM("master"));

  auto* allocator = static_cast<mesos::allocator::Allocator*>(calloc(1, 4096));
  constructAllocator(allocator);

  const Option<string> zk = f.has("ZK") ? Option<string>(readIfFile(f.given("zk"))) : Option<string>();
  auto* state = new state::State(openRegistry(f, zk));
  auto* registrar = new internal::master::Registrar(
      *flags, state, Option<string>(string(RO_REALM("master"))));

  const Option<Duration> timeout(duration(f.at("ZK_SESSION_TIMEOUT")));
  auto* contender = must(mesos::master::contender::MasterContender::create(
      zk, f.opt("MASTER_CONTENDER"), timeout), "master contender");
  auto* detector = must(mesos::master::detector::MasterDetector::create(
      zk, f.opt("MASTER_DETECTOR"), timeout), "master detector");

  const auto authorizer = makeAuthorizer(f, f.at("AUTHORIZERS"));
  auto* files = new Files(Option<string>(string(RO_REALM("master"))), authorizer);
  auto* master = launder(new internal::master::Master(
      allocator, registrar, files, contender, detector, authorizer, removalLimiter(f), *flags));

  process::UPID pid(*static_cast<process::ProcessBase*>(master));
  if (!zk.isSome() && !f.has("MASTER_DETECTOR"))  // no election: we are the leader
    static_cast<mesos::master::detector::StandaloneMasterDetector*>(detector)->appoint(
        Option<MasterInfo>(infoOf(master)));
  process::spawn(master, false);
  process::wait(pid, Duration(-1000000000LL));
  _exit(0);
}
