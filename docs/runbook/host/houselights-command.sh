#!/bin/sh
# The operator's commands on a host that is set up as opening.md says: /usr/local/bin/houselights, for root.
# They need the settings that the service runs with, and files that they make belong to its user.
set -eu
settings=/etc/houselights/houselights.env
if [ ! -r "$settings" ]; then
  echo "error: $settings cannot be read by $(id -un)" >&2
  echo "hint: sudo houselights $*" >&2
  exit 1
fi
set -a
. "$settings"
set +a
# A folder that the user may be in; where something is to be written is named by its whole path.
cd /var/lib/houselights
case $(id -u) in
  0) exec runuser -u houselights -- /opt/houselights/houselights "$@" ;;
  "$(id -u houselights)") exec /opt/houselights/houselights "$@" ;;
esac
echo "error: commands are given by root, and not by $(id -un)" >&2
echo "hint: sudo houselights $*" >&2
exit 1
