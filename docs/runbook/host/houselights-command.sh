#!/bin/sh
# The operator's commands on a host that is set up as opening.md says: /usr/local/bin/houselights, for root.
# They need the settings that the service runs with, and files that they make belong to its user.
set -eu
set -a
. /etc/houselights/houselights.env
set +a
# A folder that the user may be in; where something is to be written is named by its whole path.
cd /var/lib/houselights
exec runuser -u houselights -- /opt/houselights/houselights "$@"
