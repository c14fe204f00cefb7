#!/bin/bash
# The shortest lifetime there is: the next session takes over a tenth of it before the end, and nothing inside is lost.
# Takes a minute: run with SLOW=1.

# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

[ -n "${SLOW-}" ] || skip "takes a minute; SLOW=1 runs it"
need_daemon
# shellcheck disable=SC2034
POLICY="session: { max_lifetime_ms: 60000 }"
ns_setup
start_services
peer alice 2
start_server
start_client alice cli a0 b0
id=$(field alice id)
probe_start probe cli
expect 58000 "the next session has taken over" has_another_id alice "$id"
wait_until 3000 audit_lines alice event_type=SessionTerminated session_id="$id"
probe_stop probe
expect_no_loss probe
audit_expect server event_type=SessionTerminated session_id="$id" reason_code=superseded
audit_expect alice event_type=SessionTerminated session_id="$id" reason_code=superseded
say "ok"
