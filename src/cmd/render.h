/*
 * What the daemon answers, as text for people: JSON in, text out, nothing else; so each can be tested by its
 * exact output. Text from the daemon is never trusted with the terminal: control characters are shown as '?'.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void render_status(FILE *out, const json_t *answer, bool colour);
void render_sessions(FILE *out, const json_t *answer, bool colour);
void render_show(FILE *out, const json_t *answer, bool colour);
/* One line, for an audit record or for {"lost": N}. */
void render_event(FILE *out, const json_t *record, bool colour);
void render_text(FILE *out, const char *s);

#define FORMAT_LEN 32

/* All write into `buf` and return it. */
const char *format_ms(char buf[FORMAT_LEN], uint64_t ms);       /* "14 ms", "1.2 s", "2 h 03 min" */
const char *format_us(char buf[FORMAT_LEN], uint64_t us);       /* "0.4 ms", "14 ms" */
const char *format_bytes(char buf[FORMAT_LEN], uint64_t bytes); /* "512 B", "1.2 GiB" */
const char *format_rate(char buf[FORMAT_LEN], uint64_t bytes,
			uint64_t ms);                        /* "3.4 Mbit/s"; "-" without time */
const char *format_loss(char buf[FORMAT_LEN], uint64_t ppm); /* "0.0 %" */
