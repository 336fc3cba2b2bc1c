# Functions of the scripts that run at a node's first boot, as root. Sourced, with sh.
# What they print is read by 'clusterctl create' from the console:
#   clusterctl: hostkey TYPE BASE64
#   clusterctl: step NAME ok
#   clusterctl: step NAME failed: REASON
#   clusterctl: done            or   clusterctl: failed NAME
# and /var/lib/clusterctl/boot.json holds {"state": running|done|failed, "step": ..., "detail": ...}.
state_dir=/var/lib/clusterctl
shown=/run/clusterctl/host-keys-shown

say() {
  printf "clusterctl: %s\n" "$*"
  # cloud-init's output reaches the console too, but not on every image
  [ ! -w /dev/console ] || printf "clusterctl: %s\n" "$*" > /dev/console || :
}

# write_state STATE STEP DETAIL; replaced at once, so that a reader never sees half of it
write_state() {
  detail=$(printf '%s' "$3" | tr -d '\000-\037"\\' | cut -c 1-400)
  printf '{"state": "%s", "step": "%s", "detail": "%s"}\n' "$1" "$2" "$detail" > "$state_dir/.boot.json"
  mv "$state_dir/.boot.json" "$state_dir/boot.json"
}

# The first lines of all: operators pin these keys before they open a connection
begin() {
  mkdir -p "$state_dir" /run/clusterctl
  [ ! -e $shown ] || return 0
  for key in /etc/ssh/ssh_host_*_key.pub; do
    [ -e "$key" ] || continue
    read -r type text _ < "$key"
    say "hostkey $type $text"
  done
  : > $shown
  write_state running start ''
}

ok() { say "step $1 ok"; }

# fail STEP REASON...
fail() {
  step=$1; shift
  reason=$(printf '%s' "$*" | tr '\n' ' ')
  say "step $step failed: $reason"
  write_state failed "$step" "$reason"
  say "failed $step"
  exit 1
}
