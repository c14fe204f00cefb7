/*
 * What the daemon answers, as text for people: JSON in, text out, nothing else; so each can be tested by its
 * exact output.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void render_status(FILE *out, const json_t *answer, bool colour);
void render_sessions(FILE *out, const json_t *answer, bool colour);
void render_show(FILE *out, const json_t *answer, bool colour);
/* One line, for an audit record or for {"lost": N}. */
void render_event(FILE *out, const json_t *record, bool colour);
