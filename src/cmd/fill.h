/*
 * Texts with places that members of a JSON object go to. Text from the daemon is never trusted with the terminal:
 * control characters are shown as '?'.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Writes `text` with its places filled: "{member}" a text, "{member:id}" the first 8 characters of one, "{member:kind}" a
 * number, as `n`, ms, us, bytes, loss, or `rate` (of bytes, over the object's age_ms). The member may be one of an object within: "active.remote". What stands
 * behind a bar, "{member|otherwise}", is written where there is no such member; without it nothing, or 0.
 */
void fill(FILE *out, const char *text, const json_t *o);
/* The text alone, made safe. */
void fill_safely(FILE *out, const char *s);

bool fill_has(const json_t *o, const char *member); /* and it is not null */
const char *fill_string(const json_t *o, const char *member, const char *otherwise);
uint64_t fill_number(const json_t *o, const char *member); /* 0: there is none */
