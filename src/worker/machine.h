/* Which machine this is, for what must differ between two that have the same keys. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * The hash of the id in the file, as /etc/machine-id has it (machine-id(5): 32 hexadecimal digits). False, and zeroes:
 * there is none, or none yet.
 */
bool machine_read(uint8_t id[32], const char *file);
