// mesos-agent on top of the libmesos that the Apache Mesos project published inside the
// mesos.scheduler egg.  It does, in the same order, what upstream's own main does.
#include "common.hpp"

using namespace mesos;
using namespace mesos::internal;
using std::string;

// With systemd's help executors outlive their agent in a slice of their own.  Mesos 1.11 knows
// cgroup v1 only: on a host without it, it ends here with its own message.
static void startSystemdSupport(const Values& f) {
  if (!f.yes("SYSTEMD_ENABLE_SUPPORT") || !systemd::exists()) return;
  const string runtime = "--runtime_directory=" + f.at("SYSTEMD_RUNTIME_DIRECTORY");
  const string hierarchy = "--cgroups_hierarchy=" + f.at("CGROUPS_HIERARCHY");
  const char* argv[] = {"systemd", "--enabled", runtime.c_str(), hierarchy.c_str()};
  auto* flags = launder(new systemd::Flags());
  auto load = flags->load(Option<string>(), 4, argv, false, false);
  if (load.isError()) die("Failed to initialize systemd: " + load.error());
  auto started = systemd::initialize(*flags);
  if (started.isError()) die("Failed to initialize systemd: " + started.error());
}

int main(int argc, char** argv) {
  auto* flags = launder(new internal::slave::Flags());
  const Values f = loadFlags(flags, argc, argv, "mesos-agent");
  if (!f.has("MASTER") && !f.has("MASTER_DETECTOR"))
    die("Missing required option `--master` or `--master_detector`");
  if (f.has("MASTER") && f.has("MASTER_DETECTOR"))
    die("Only one of `--master` or `--master_detector` should be specified");
  refuse(f, {"firewall_rules", "modules", "modules_dir", "hooks", "jwt_secret_key",
             "executor_secret_key", "volume_gid_range", "csi_plugin_config_dir",
             "agent_subsystems", "slave_subsystems", "http_executor_domain_sockets"});
  exportAddress(f);

  const string id = process::ID::generate("slave");
  startLibprocess(id, RW_REALM("agent"), RO_REALM("agent"));
  startSystemdSupport(f);

  auto* fetcher = new internal::slave::Fetcher(*flags);
  auto* gc = new internal::slave::GarbageCollector(f.at("WORK_DIR"));
  auto* secrets = must(SecretResolver::create(f.opt("SECRET_RESOLVER")), "secret resolver");
  auto* pending = new PendingFutureTrackerProcess();
  process::spawn(pending, false);
  auto* tracker = new PendingFutureTracker(pending);
  auto* containerizer = must(internal::slave::Containerizer::create(
      *flags, false, fetcher, gc, secrets, nullptr, tracker, nullptr), "containerizer");
  const Option<string> master =
      f.has("MASTER") ? Option<string>(readIfFile(f.given("master"))) : Option<string>();
  auto* detector = must(mesos::master::detector::MasterDetector::create(
      master, f.opt("MASTER_DETECTOR"),
      Option<Duration>(duration(f.at("ZK_SESSION_TIMEOUT")))), "master detector");
  const auto authorizer = makeAuthorizer(f, f.at("AUTHORIZER"));
  auto* files = new Files(Option<string>(string(RO_REALM("agent"))), authorizer);
  auto* updates = new internal::slave::TaskStatusUpdateManager(*flags);
  auto* estimator = must(mesos::slave::ResourceEstimator::create(f.opt("RESOURCE_ESTIMATOR")),
                         "resource estimator");
  auto* qos = must(mesos::slave::QoSController::create(f.opt("QOS_CONTROLLER")), "QoS controller");

  auto* slave = launder(new internal::slave::Slave(
      id, *flags, detector, containerizer, files, gc, updates, estimator, qos,
      nullptr, nullptr, tracker, process::Owned<internal::slave::CSIServer>(),
      Option<process::network::internal::Socket<process::network::unix::Address>>(),
      authorizer));
  process::UPID pid(*static_cast<process::ProcessBase*>(slave));
  process::spawn(slave, false);
  process::wait(pid, Duration(-1000000000LL));
  _exit(0);
}
