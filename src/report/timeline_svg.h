#pragma once

#include <stdio.h>

#include "report/timeline_model.h"

void timeline_svg(FILE *out, const struct timeline *t);
