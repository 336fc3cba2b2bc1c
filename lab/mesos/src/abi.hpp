// Hand-written declarations of the few libmesos 1.11.0 entry points that the
// launchers need.  Names, namespaces, base-class shape and argument types must be
// exactly those of libmesos (they decide the mangled names and the virtual-base
// offsets); what is inside the classes is opaque, over-sized storage.
//
// All of it holds for one library file only; lab/mesos/build refuses any other by its
// digest.  What was learnt about doing this safely:
//   * pass freshly made objects through launder(), else the compiler uses its own
//     virtual-base offsets instead of those in libmesos' vtables;
//   * a virtual base must be declared with data, or it becomes the primary base;
//   * what stands inside Option or Try needs its real alignment and at least its real size;
//   * vtables are looked up with dlsym, not by extern (copy relocations);
//   * the programs export nothing (local.map), so that they cannot interpose on the library.
#pragma once
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

// --- vocabulary types: same layout and ABI as stout's -------------------------
template <typename T>
class Option {
  enum State { SOME, NONE } state;
  union { T t; };

 public:
  Option() : state(NONE) {}
  Option(const T& v) : state(SOME), t(v) {}
  Option(const Option& o) : state(o.state) { if (o.isSome()) new (&t) T(o.t); }
  Option& operator=(const Option&) = delete;
  ~Option() { if (isSome()) t.~T(); }
  bool isSome() const { return state == SOME; }
  const T& get() const { return t; }
};

class Error { public: std::string message; };

template <typename T, typename E = Error>
class Try {
  Option<T> data;
  Option<E> error_;

 public:
  bool isError() const { return !data.isSome(); }
  const T& get() const { return data.get(); }
  const std::string& error() const { return error_.get().message; }
};

template <typename T>
class Result {  // Result is a Try<Option<T>>
  Try<Option<T>, Error> data;

 public:
  bool isError() const { return data.isError(); }
  const std::string& error() const { return data.error(); }
  bool isSome() const { return !isError() && data.get().isSome(); }
  const T& get() const { return data.get().get(); }
};

class Nothing {};

class Duration {
  int64_t nanos;

 public:
  explicit Duration(int64_t ns) : nanos(ns) {}
  static Try<Duration, Error> parse(const std::string&);
};

namespace flags {
struct Warning { std::string message; };
struct Warnings { std::vector<Warning> warnings; };

class FlagsBase {
 public:
  virtual ~FlagsBase();
  bool help;
  Try<Warnings, Error> load(const Option<std::string>& prefix, int argc,
                            const char* const* argv, bool unknowns, bool duplicates);
  std::string usage(const Option<std::string>& message) const;
  std::map<std::string, std::string> buildEnvironment(const Option<std::string>& prefix) const;

 protected:
  FlagsBase();
  alignas(16) char opaque_[1024];
};
}  // namespace flags

namespace process {
struct MessageEvent; struct DispatchEvent; struct HttpEvent; struct ExitedEvent;
struct TerminateEvent; struct Event; struct UPID;
// Must hold data: an empty virtual base would become the primary base and move the
// virtual-base offsets within the vtable.  The virtual functions are declared in full,
// in order, because the launcher derives a class of its own from it (agent.cpp).
class ProcessBase {
 public:
  explicit ProcessBase(const std::string& id);
  virtual ~ProcessBase();
  virtual void consume(MessageEvent&&);
  virtual void consume(DispatchEvent&&);
  virtual void consume(HttpEvent&&);
  virtual void consume(ExitedEvent&&);
  virtual void consume(TerminateEvent&&);
  virtual void serve(Event&&);
  virtual void initialize();
  virtual void finalize();
  virtual void exited(const UPID&);
  virtual void lost(const UPID&);
  alignas(16) char opaque_[4096];

 protected:
  ProcessBase();              // never called: only completes the declarations below
};
template <typename T> class Process : public virtual ProcessBase {};
struct UPID {
  UPID(const ProcessBase&);
  ~UPID() {}                 // leaked on purpose: layout is not ours to know
  alignas(16) char opaque_[1024];
};
template <typename T> class Owned { std::shared_ptr<T> data; };
class RateLimiter {
 public:
  RateLimiter(int permits, const Duration&);
  virtual ~RateLimiter();
  alignas(16) char opaque_[1024];
};
bool initialize(const Option<std::string>& delegate,
                const Option<std::string>& readwriteRealm,
                const Option<std::string>& readonlyRealm);
UPID spawn(ProcessBase*, bool manage);
bool wait(const UPID&, const Duration&);
namespace network {
namespace unix { class Address; }
namespace internal { template <typename A> class Socket { std::shared_ptr<void> impl; }; }
}  // namespace network
}  // namespace process

template <typename T> class ProtobufProcess : public process::Process<T> {};
namespace zookeeper { struct Authentication { std::string scheme, credentials; }; }

namespace mesos {
class ACLs {                  // a protobuf message; only ever handled by reference
 public: ACLs(const ACLs&); ~ACLs(); alignas(8) char opaque_[8192];
};
class Authorizer {
 public:
  static Try<Authorizer*, Error> create(const std::string& module);
  static Try<Authorizer*, Error> create(const ACLs&);
};
class MasterInfo {            // a protobuf message
 public: MasterInfo(const MasterInfo&); ~MasterInfo(); alignas(8) char opaque_[1024];
};
class SecretGenerator;
class SecretResolver {
 public: static Try<SecretResolver*, Error> create(const Option<std::string>&);
};

namespace allocator { class Allocator; }
namespace log {
class Log {
 public:
  Log(int quorum, const std::string& path, const std::set<process::UPID>&, bool autoInit,
      const Option<std::string>& metrics);
  Log(int quorum, const std::string& path, const std::string& servers, const Duration& timeout,
      const std::string& znode, const Option<zookeeper::Authentication>&, bool autoInit,
      const Option<std::string>& metrics);
  alignas(16) char opaque_[256];
};
}  // namespace log
namespace state {
class Storage { public: virtual ~Storage(); };
class InMemoryStorage : public Storage { public: InMemoryStorage(); alignas(16) char opaque_[256]; };
class LogStorage : public Storage {
 public: LogStorage(log::Log*, size_t diffs); alignas(16) char opaque_[256];
};
class State {                // all members but the destructor are non-virtual
  Storage* storage;
 public:
  explicit State(Storage* s) : storage(s) {}
  virtual ~State() {}
};
}  // namespace state

namespace master {
namespace contender {
class MasterContender {
 public: static Try<MasterContender*, Error> create(const Option<std::string>& zk,
             const Option<std::string>& module, const Option<Duration>& timeout);
};
}  // namespace contender
namespace detector {
class MasterDetector {
 public: static Try<MasterDetector*, Error> create(const Option<std::string>& zk,
             const Option<std::string>& module, const Option<Duration>& timeout);
};
class StandaloneMasterDetector : public MasterDetector {
 public: void appoint(const Option<MasterInfo>&);
};
}  // namespace detector
}  // namespace master

namespace slave {
class ResourceEstimator {
 public: static Try<ResourceEstimator*, Error> create(const Option<std::string>&);
};
class QoSController {
 public: static Try<QoSController*, Error> create(const Option<std::string>&);
};
}  // namespace slave

namespace internal {
class Files {
 public: Files(const Option<std::string>& realm, const Option<Authorizer*>&); alignas(16) char opaque_[256];
};

// Keeps the list behind the agent's /containerizer/debug.  Its constructors are inline in
// Mesos' headers, so the two small classes are rebuilt here; the library only has the
// methods that work on them.
struct FutureMetadata {
  std::string operation, component;
  std::map<std::string, std::string> args;
};
class PendingFutureTrackerProcess : public process::Process<PendingFutureTrackerProcess> {
  std::list<FutureMetadata> pending;
 public:
  PendingFutureTrackerProcess() : ProcessBase("pending-future-tracker(1)") {}
};
class PendingFutureTracker {
  struct Data { PendingFutureTrackerProcess* t; };
  std::shared_ptr<Data> process;
 public:
  explicit PendingFutureTracker(PendingFutureTrackerProcess* p) : process(new Data{p}) {}
};
class VersionProcess : public process::Process<VersionProcess> {
 public: VersionProcess(); alignas(16) char opaque_[4096];
};
namespace logging {
class Flags : public virtual flags::FlagsBase { public: Flags(); alignas(16) char opaque_[4096]; };
void initialize(const std::string& argv0, bool signals, const Option<Flags>&);
}  // namespace logging

namespace master {
class Flags : public virtual logging::Flags { public: Flags(); alignas(16) char opaque_[16384]; };
class Registrar {
 public: Registrar(const Flags&, mesos::state::State*, const Option<std::string>& realm);
  alignas(16) char opaque_[256];
};
class Master : public ProtobufProcess<Master> {
 public:
  Master(mesos::allocator::Allocator*, Registrar*, Files*,
         mesos::master::contender::MasterContender*, mesos::master::detector::MasterDetector*,
         const Option<Authorizer*>&, const Option<std::shared_ptr<process::RateLimiter>>&,
         const Flags&);
  alignas(16) char opaque_[65536];
};
}  // namespace master

namespace slave {
class CSIServer;
class VolumeGidManager;
class Flags : public virtual logging::Flags { public: Flags(); alignas(16) char opaque_[16384]; };
class Fetcher { public: Fetcher(const Flags&); virtual ~Fetcher(); alignas(16) char opaque_[256]; };
class GarbageCollector {
 public: GarbageCollector(const std::string& workDir); virtual ~GarbageCollector(); alignas(16) char opaque_[256];
};
class TaskStatusUpdateManager {
 public: TaskStatusUpdateManager(const Flags&); virtual ~TaskStatusUpdateManager(); alignas(16) char opaque_[256];
};
class Containerizer {
 public:
  static Try<Containerizer*, Error> create(const Flags&, bool local, Fetcher*, GarbageCollector*,
      SecretResolver*, VolumeGidManager*, PendingFutureTracker*, CSIServer*);
};
class Slave : public ProtobufProcess<Slave> {
 public:
  Slave(const std::string& id, const Flags&, mesos::master::detector::MasterDetector*,
        Containerizer*, Files*, GarbageCollector*, TaskStatusUpdateManager*,
        mesos::slave::ResourceEstimator*, mesos::slave::QoSController*, SecretGenerator*,
        VolumeGidManager*, PendingFutureTracker*, process::Owned<CSIServer>&&,
        const Option<process::network::internal::Socket<process::network::unix::Address>>&,
        const Option<Authorizer*>&);
  alignas(16) char opaque_[65536];
};
}  // namespace slave
}  // namespace internal
}  // namespace mesos

namespace flags { template <typename T> Try<T, Error> parse(const std::string&); }
namespace process { namespace ID { std::string generate(const std::string& prefix); } }

namespace google {
enum Severity { INFO = 0, WARNING = 1 };
class LogMessage {            // one line of the daemon's log, written by the destructor
 public:
  LogMessage(const char* file, int line, int severity);
  ~LogMessage();
  std::ostream& stream();
  alignas(16) char opaque_[256];
};
}  // namespace google

namespace systemd {
class Flags : public virtual flags::FlagsBase { public: Flags(); alignas(16) char opaque_[1024]; };
bool exists();
Try<Nothing, Error> initialize(const Flags&);
}  // namespace systemd
