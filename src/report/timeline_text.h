#pragma once

#include <stdio.h>

#include "report/timeline_model.h"

void timeline_text(FILE *out, const struct timeline *t);
