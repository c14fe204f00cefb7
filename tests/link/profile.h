/*
 * A link profile in words, as the impairment tool and scenario files have it:
 *
 *     delay 5ms jitter 1ms loss 3% burst 0.1% 500ms dup 1% reorder 2% 3ms rate 10mbit queue 64k mtu 1300 blackhole
 *
 *     actor any 200-1500 drop 100% actor data delay 2s actor any ce actor none
 *
 * An actor is one that does something to packets of a kind (LINK_KIND_LIST of link.h, or any) and of a length without IP and
 * UDP headers: drop or double SHARE, delay TIME, ce. Each adds a rule; "actor none" takes all away. Kinds are for the
 * simulator alone.
 *
 * Words not said stay as they were; "none" begins with a link that does nothing. Times are us, ms or s, shares are
 * percent, rates are kbit, mbit or gbit.
 */
#pragma once

#include "link/link.h"

#define PROFILE_ERROR_MAX 240

/* Takes the leading words that are of a profile, all of them or, on an error, none; answers what is left of the
 * line, "" at its end, or NULL, and then `error` says what is wrong and what is allowed. */
const char *profile_parse(struct link_profile *p, const char *line, char error[PROFILE_ERROR_MAX]);
/* Does a rule want to know what a packet is, and not its length alone? */
bool profile_wants_kinds(const struct link_profile *p);

/* One word of text, as far as the next blank. False: not of that kind. */
bool word_time_us(const char *word, size_t len, int64_t *us);
bool word_share_ppm(const char *word, size_t len, uint32_t *ppm);
bool word_number(const char *word, size_t len, uint64_t most, uint64_t *out);
/* The next word at or behind `*line`, which moves behind it; its length, 0 at the end or a comment. */
size_t word_next(const char **line, const char **word);
bool word_is(const char *word, size_t len, const char *text);
