/*
 * /etc/resolv.conf itself, and a note of what it was before the tunnel's name servers came: for who takes them back, be it a
 * successor of a daemon that was killed.
 */
#pragma once

#include "worker/nameservers.h"

struct resolv_note {
	bool in_file; /* we wrote them into /etc/resolv.conf; else resolvconf was told */
	struct ip dns[NAMESERVERS_MAX];
	size_t n;
	char *before; /* the text of /etc/resolv.conf, malloc'ed; NULL: there was none */
};

/* The whole text, malloc'ed, or NULL. */
char *resolvfile_read(void);
/*
 * Is this server asked by who goes by /etc/resolv.conf? A program on this machine that it names is asked for, too; where it cannot be
 * told whom that asks, the answer is yes.
 */
bool resolvfile_lists(const struct ip *server);
/* Our own text stands there, as resolvfile_put() writes it. */
bool resolvfile_is_ours(const char *text);
/* These name servers, and the other lines of `before`. Only where /etc/resolv.conf is a plain file, or leads to one. 0 or -errno. */
int resolvfile_put(const char *device, const struct ip *dns, size_t n, const char *before);
/*
 * What was there, if now ours is, or no name server at all, as after resolvconf(8) where it was not in use before. And where
 * resolvconf was `cut_short`, also if one of the tunnel's name servers stands there. 0 or -errno.
 */
int resolvfile_restore(const struct resolv_note *note, bool cut_short);

/* The note. 0 or -errno. */
int resolvfile_note_write(const char *path, const struct resolv_note *note);
/* False: there is none, or it is none of ours. */
bool resolvfile_note_read(const char *path, struct resolv_note *note);
