"""Marathon 1.11's command-line flags, and what the stand-in makes of each.

Names and defaults are those of the *Conf and *Config classes of 1.11.24, hidden tuning flags among them. USED flags
have their effect; ACCEPTED ones tune something that the stand-in does not have, so nothing can come of them; REFUSED
ones are real flags whose effect a user would miss; REMOVED ones are gone from Marathon itself by 1.11.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """``kind``: str, count (whole number >= 0), port, toggle, zk, url, or the allowed words joined by "|"."""

    name: str
    kind: str
    default: str | int | bool | None = None


USED = (
    Flag("master", "url"),
    Flag("zk", "zk", "zk://localhost:2181/marathon"),
    Flag("hostname", "str"),
    Flag("http_address", "str"),
    Flag("http_port", "port", 8080),
    Flag("http_credentials", "str"),
    Flag("http_realm", "str", "Mesosphere"),
    Flag("webui_url", "str"),
    Flag("framework_name", "str", "marathon"),
    Flag("mesos_role", "str"),
    Flag("mesos_user", "str"),
    Flag("mesos_authentication", "toggle", False),
    Flag("mesos_authentication_principal", "str"),
    Flag("mesos_authentication_secret", "str"),
    Flag("mesos_authentication_secret_file", "str"),
    Flag("mesos_leader_ui_url", "str"),
    Flag("accepted_resource_roles_default_behavior", "any|unreserved|reserved", "any"),
    Flag("checkpoint", "toggle", True),
    Flag("failover_timeout", "count", 604800),
    Flag("zk_timeout", "count", 10000),
    Flag("zk_connection_timeout", "count", 10000),
    Flag("zk_session_timeout", "count", 10000),
    Flag("leader_proxy_connection_timeout", "count", 5000),
    Flag("leader_proxy_read_timeout", "count", 10000),
    Flag("local_port_min", "port", 10000),
    Flag("local_port_max", "port", 20000),
    Flag("task_launch_timeout", "count", 300000),
    Flag("task_launch_confirm_timeout", "count", 300000),
    Flag("reconciliation_initial_delay", "count", 15000),
    Flag("reconciliation_interval", "count", 600000),
    Flag("max_instances_per_offer", "count", 5),
    Flag("decline_offer_duration", "count", 120000),
    Flag("min_revive_offers_interval", "count", 5000),
    Flag("suppress_offers", "toggle", True),
    Flag("maintenance_mode", "toggle", True),
    Flag("draining_seconds", "count", 0),
    Flag("max_apps", "count"),
    Flag("max_running_deployments", "count", 100),
    Flag("enable_features", "str"),
    Flag("mesos_heartbeat_interval", "count", 15000),
    Flag("mesos_heartbeat_failure_threshold", "count", 5),
    Flag("metrics_name_prefix", "str", "marathon"),
    Flag("metrics_prometheus", "toggle", True),
    Flag("logging_level", "off|fatal|error|warn|info|debug|trace|all", "info"),
    Flag("new_group_enforce_role", "off|top", "off"),
    Flag("kill_retry_timeout", "count", 30000),
    Flag("zk_max_versions", "count", 50),
    Flag("event_stream_max_outstanding_messages", "count", 1024),
    Flag("max_concurrent_marathon_health_checks", "count", 256),
)

# Restricted to the one value that the stand-in is: anything else is refused like a REFUSED flag.
FIXED = {
    "ha": True,
    "executor": "//cmd",
    "internal_store_backend": "zk",
    "leader_election_backend": "curator",
}

ACCEPTED = (
    Flag("ha", "toggle", True),
    Flag("executor", "str", "//cmd"),
    Flag("internal_store_backend", "str", "zk"),
    Flag("leader_election_backend", "str", "curator"),
    Flag("scale_apps_initial_delay", "count", 15000),
    Flag("scale_apps_interval", "count", 300000),
    Flag("launch_tokens", "count", 100),
    Flag("launch_token_refresh_interval", "count", 30000),
    Flag("offer_matching_timeout", "count", 3000),
    Flag("task_reservation_timeout", "count", 20000),
    Flag("task_lost_expunge_initial_delay", "count", 300000),
    Flag("task_lost_expunge_interval", "count", 30000),
    Flag("on_elected_prepare_timeout", "count", 180000),
    Flag("store_cache", "toggle", True),
    Flag("zk_compression", "toggle", True),
    Flag("zk_compression_threshold", "count", 65536),
    Flag("http_compression", "toggle", True),
    Flag("leader_proxy_max_open_connections", "count", 64),
    Flag("gpu_scheduling_behavior", "restricted|unrestricted", "restricted"),
    Flag("metrics_histogram_reservoir_highest_trackable_value", "count", 3600000000000),
    Flag("metrics_histogram_reservoir_significant_digits", "count", 3),
    Flag("metrics_histogram_reservoir_reset_periodically", "toggle", True),
    Flag("metrics_histogram_reservoir_resetting_interval_ms", "count", 5000),
    Flag("metrics_histogram_reservoir_resetting_chunks", "count", 0),
    Flag("app_info_module_execution_context_size", "count", 2),
    Flag("default_info_service_execution_context_size", "count", 2),
    Flag("deployment_manager_request_timeout", "count", 1000),
    Flag("graceful_shutdown_timeout", "count", 5000),
    Flag("group_manager_execution_context_size", "count", 2),
    Flag("group_manager_request_timeout", "count", 10000),
    Flag("group_versions_cache_size", "count", 1000),
    Flag("instance_tracker_num_parallel_loads", "count", 16),
    Flag("instance_tracker_num_parallel_updates", "count", 16),
    Flag("instance_tracker_update_queue_size", "count", 4096),
    Flag("internal_version_caching", "toggle", True),
    Flag("kill_chunk_size", "count", 100),
    Flag("launch_queue_request_timeout", "count", 3000),
    Flag("max_actor_startup_time", "count", 10000),
    Flag("max_parallel_offers", "count", 2),
    Flag("max_parallel_status_updates", "count", 20),
    Flag("max_queued_offers", "count", 1024),
    Flag("max_queued_root_group_updates", "count", 500),
    Flag("max_queued_status_updates", "count", 10000),
    Flag("mesos_offer_constraints", "toggle", False),
    Flag("min_mesos_offer_constraints_update_interval", "count", 1000),
    Flag("scheduler_actions_execution_context_size", "count", 2),
    Flag("storage_compaction_interval", "count", 30),
    Flag("storage_compaction_scan_batch_size", "count", 32),
    Flag("storage_execution_context_size", "count", 2),
    Flag("task_operation_notification_timeout", "count", 30000),
    Flag("task_tracker_request_timeout", "count", 10000),
    Flag("task_update_request_timeout", "count", 10000),
    Flag("zk_max_concurrency", "count", 32),
    Flag("zk_max_node_size", "count", 1024000),
    Flag("zk_operation_base_retry_sleep_ms", "count", 10),
    Flag("zk_operation_max_retries", "count", 5),
)

REFUSED = frozenset(
    [
        "access_control_allow_origin",
        "assets_path",
        "backup_location",
        "default_network_name",
        "deprecated_features",
        "disable_http",
        "env_vars_prefix",
        "http_max_concurrent_requests",
        "https_address",
        "https_port",
        "leader_proxy_ssl_ignore_hostname",
        "logstash",
        "metrics",
        "sentry",
        "sentry_tags",
        "mesos_bridge_name",
        "metrics_datadog",
        "metrics_datadog_api_key",
        "metrics_datadog_host",
        "metrics_datadog_port",
        "metrics_datadog_protocol",
        "metrics_datadog_transmission_interval_ms",
        "metrics_statsd",
        "metrics_statsd_host",
        "metrics_statsd_port",
        "metrics_statsd_transmission_interval_ms",
        "plugin_conf",
        "plugin_dir",
        "ssl_keystore_password",
        "ssl_keystore_path",
    ]
)

REMOVED = {
    "default_accepted_resource_roles": "removed in Marathon 1.10; use --accepted_resource_roles_default_behavior"
    " any|unreserved|reserved",
    "revive_offers_for_new_apps": "removed in Marathon 1.10; offers are always revived",
    "disable_revive_offers_for_new_apps": "removed in Marathon 1.10; offers are always revived",
    "revive_offers_repetitions": "removed in Marathon 1.10; offers are always revived",
}

# Features of --enable_features: "task_killing" asks Mesos for TASK_KILLING, "vips" is about Marathon's web UI only.
FEATURES_USED = frozenset({"task_killing", "vips"})
FEATURES_REFUSED = frozenset({"external_volumes", "gpu_resources", "secrets"})
