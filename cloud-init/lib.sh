# Functions of the scripts that run at a node's first boot, as root. Sourced, with sh.
# What they say goes to the console, where 'clusterctl create' reads it:
#   clusterctl NONCE: hostkey TYPE BASE64
#   clusterctl NONCE: step NAME ok
#   clusterctl NONCE: step NAME failed: REASON
#   clusterctl NONCE: done            or   clusterctl NONCE: failed NAME
# The nonce is from user-data and known to root alone: by it the operator knows the lines for this node's own. It must
# reach nothing but the console: no argument of a program (printf and read are the shell's own), no log.
# What is printed goes to cloud-init's log and is the same without the nonce;
# and /var/lib/clusterctl/boot.json holds {"state": running|done|failed, "step": ..., "detail": ...}.
state_dir=/var/lib/clusterctl
shown=/run/clusterctl/host-keys-shown
mark=clusterctl
if [ -r $state_dir/console ] && read -r nonce < $state_dir/console; then mark="clusterctl $nonce"; fi

say() {
  printf 'clusterctl: %s\n' "$*"
  tell "$*"
}

# On a line of its own, whatever somebody else left unfinished: only what begins a line counts
tell() {
  [ ! -w /dev/console ] || printf '\n%s: %s\n' "$mark" "$*" > /dev/console || :
}

# write_state STATE STEP DETAIL; replaced at once, so that a reader never sees half of it
write_state() {
  detail=$(printf '%s' "$3" | tr -d '\000-\037"\\' | cut -c 1-400)
  printf '{"state": "%s", "step": "%s", "detail": "%s"}\n' "$1" "$2" "$detail" > "$state_dir/.boot.json"
  mv "$state_dir/.boot.json" "$state_dir/boot.json"
}

# show_keys say|tell
show_keys() {
  for key in /etc/ssh/ssh_host_*_key.pub; do
    [ -e "$key" ] || continue
    read -r type text _ < "$key"
    "$1" "hostkey $type $text"
  done
}

# The last lines of all, DONE or FAILED; the keys once more before them: a console that is read slowly loses its middle
finish() {
  show_keys tell
  say "$*"
}

# The first lines of all: operators pin these keys before they open a connection
begin() {
  mkdir -p "$state_dir" /run/clusterctl
  [ ! -e $shown ] || return 0
  show_keys say
  show_keys tell  # once more: the kernel may write into the middle of a line
  : > $shown
  write_state running start ''
}

ok() { say "step $1 ok"; }

# fail STEP REASON...
fail() {
  step=$1; shift
  reason=$(printf '%s' "$*" | tr '\n' ' ' | tr -d '\000-\037')
  say "step $step failed: $reason"
  write_state failed "$step" "$reason"
  finish "failed $step"
  exit 1
}
