/* What came of a client's HELLOs on one path, in words for who reads the log. For any thread. */
#pragma once

#include "session/info.h"

#define CALLED_TEXT_MAX 160
/* What came of the HELLOs on this path, in words; `buf` or a constant. NULL: none went out. */
const char *called_text(const struct path_info *p, char buf[CALLED_TEXT_MAX]);
