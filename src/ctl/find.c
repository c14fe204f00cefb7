#include "ctl/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool find_is_one(const char *wanted, size_t found, char why[REQUEST_TEXT_MAX])
{
	if (found == 1)
		return true;
	if (found && wanted)
		snprintf(why, REQUEST_TEXT_MAX,
			 "\"%s\" means more than one session: give more digits of the ID", wanted);
	else if (found)
		snprintf(why, REQUEST_TEXT_MAX,
			 "there is more than one session: name one by its ID or its peer");
	else if (wanted)
		snprintf(why, REQUEST_TEXT_MAX, "no session has the ID or the peer \"%s\"", wanted);
	else
		snprintf(why, REQUEST_TEXT_MAX, "there is no session");
	return false;
}

static bool is_path(const char *wanted, const struct path_info *p, bool by_name)
{
	char number[4];

	if (by_name)
		return p->name[0] && strcmp(wanted, p->name) == 0;
	snprintf(number, sizeof(number), "%u", p->path);
	return strcmp(wanted, number) == 0;
}

static void list_paths(const struct session_info *s, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->npaths && len < cap; i++) {
		const struct path_info *p = &s->path[i];
		int n = snprintf(out + len, cap - len, "%s%u%s%s%s", i ? ", " : "", p->path,
				 p->name[0] ? " (" : "", p->name, p->name[0] ? ")" : "");

		len += n > 0 ? (size_t)n : 0;
	}
}

int find_path(const char *wanted, const struct session_info *s, char why[REQUEST_TEXT_MAX])
{
	char list[REQUEST_TEXT_MAX / 2];

	/* A name may look like a number, and then it is still the name. */
	for (int by_name = 1; by_name >= 0; by_name--) {
		for (size_t i = 0; i < s->npaths; i++) {
			if (is_path(wanted, &s->path[i], by_name))
				return s->path[i].path;
		}
	}
	list_paths(s, list, sizeof(list));
	snprintf(why, REQUEST_TEXT_MAX, "the session has no path \"%s\"; it has: %s", wanted,
		 list[0] ? list : "none");
	return -1;
}
