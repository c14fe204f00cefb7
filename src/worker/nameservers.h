/*
 * Name servers as resolv.conf(5) lists them, and those that the machine has apart from the tunnel's.
 */
#pragma once

#include "base/addr.h"

#define NAMESERVERS_MAX 8
#define NAMESERVERS_TEXT_MAX (NAMESERVERS_MAX * (IP_STRLEN + 2))

struct nameservers {
	struct endpoint list[NAMESERVERS_MAX]; /* port 53 */
	size_t n;
	char search[256]; /* domains, a blank between them */
};

/* Adds what a resolv.conf says to what is there, each server once; the last search list counts. What is wrong or too much is left out. */
void nameservers_parse(struct nameservers *ns, const char *text);
/* The same of a file; false: it cannot be read. */
bool nameservers_read(struct nameservers *ns, const char *path);
bool nameservers_have(const struct nameservers *ns, const struct ip *ip);
void nameservers_leave_out(struct nameservers *ns, const struct ip *list, size_t n);
/* There are some, and all of them are programs on this machine, which ask others themselves. */
bool nameservers_are_local(const struct nameservers *ns);
/*
 * Without `ours`, which are the tunnel's: of /etc/resolv.conf; where that names only programs on this machine, of those whom they
 * ask, as systemd-resolved, NetworkManager and dnsmasq write them down; where it names none but ours, what else was told to
 * resolvconf. False: none are known.
 */
bool nameservers_of_machine(struct nameservers *out, const struct ip *ours, size_t n, const char *device);
/* "192.0.2.53, 2001:db8::53", or "none". */
const char *nameservers_format(const struct nameservers *ns, char buf[NAMESERVERS_TEXT_MAX]);
