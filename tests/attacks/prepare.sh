# Run by root on the builder that is attacked: puts there what attacks look for, and says what root gets of it, in lines
# of a name and a value.
#   $1 $2  addresses of a metadata service, which the lab has not: one is put on them
#   $3     where a program with the setuid bit goes
set -eu

cp /usr/bin/id "$3"
chmod 4755 "$3"

link=$(ip -o -4 route show default | sed 's/.* dev \([^ ]*\) .*/\1/')
ip addr replace "$1/32" dev lo
ip addr replace "$2/64" dev "$link" nodad
systemctl --quiet is-active metadata || systemd-run --quiet --unit=metadata --working-directory=/srv python3 -c '
import http.server, socket
class Server(http.server.ThreadingHTTPServer): address_family = socket.AF_INET6
Server(("::", 80), http.server.SimpleHTTPRequestHandler).serve_forever()'
for url in "http://$1/" "http://[$2%25$link]/"; do
  curl --globoff --silent --show-error --retry 20 --retry-connrefused --retry-delay 1 --output /dev/null "$url"
done

# The build of another tenant
for try in $(seq 180); do
  victim=$(pgrep -u b-002 -x sleep) && break
  sleep 1
done

echo "link $link"
echo "agent_id $(basename "$(readlink -f /var/lib/mesos/agent/meta/slaves/latest)")"
echo "agent_pid $(systemctl show --property=MainPID --value mesos-agent)"
echo "victim $victim"
echo "victim_place $(readlink "/proc/$victim/cwd")"
echo "victim_file $(cat "/proc/$victim/cwd/mine")"
echo "victim_secret $(tr '\0' '\n' < "/proc/$victim/environ" | sed -n 's/^SECRET=//p')"
echo "journal $(journalctl --no-pager --output=cat --lines=5 | wc -l)"
ls -d /var/lib/cloud/instance/user-data.txt /var/lib/cloud/seed/config_drive /var/lib/clusterctl/console > /dev/null
