/* What keygen and pubkey share. */
#pragma once

/* Neither takes arguments: answers --help with `usage`, anything else with an error; an exit code. */
int keys_usage(const char *arg, const char *usage);
