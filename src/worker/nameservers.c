#include "worker/nameservers.h"

#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 65536 /* no resolv.conf is longer */
#define BLANKS " \t"

static void add_server(struct nameservers *ns, char *word)
{
	struct endpoint e = { .port = 53 };
	char *scope = strchr(word, '%');

	if (scope) {
		*scope++ = '\0';
		e.scope = if_nametoindex(scope);
	}
	if (ns->n < NAMESERVERS_MAX && ip_parse(word, &e.ip) && !nameservers_have(ns, &e.ip))
		ns->list[ns->n++] = e;
}

static void parse_line(struct nameservers *ns, char *line)
{
	char *rest = NULL;
	const char *key = strtok_r(line, BLANKS, &rest);

	if (!key)
		return;
	if (strcmp(key, "nameserver") == 0) {
		char *word = strtok_r(NULL, BLANKS, &rest);

		if (word)
			add_server(ns, word);
	} else if ((strcmp(key, "search") == 0 || strcmp(key, "domain") == 0) &&
		   strlen(rest) < sizeof(ns->search)) {
		snprintf(ns->search, sizeof(ns->search), "%s", rest);
	}
}

void nameservers_parse(struct nameservers *ns, const char *text)
{
	char line[1024];

	while (*text) {
		const size_t len = strcspn(text, "\r\n");

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			parse_line(ns, line);
		}
		text += len + strspn(text + len, "\r\n");
	}
}

bool nameservers_read(struct nameservers *ns, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(TEXT_MAX) : NULL;

	if (text) {
		text[fread(text, 1, TEXT_MAX - 1, f)] = '\0';
		nameservers_parse(ns, text);
	}
	free(text);
	if (f)
		fclose(f);
	return f != NULL;
}

bool nameservers_have(const struct nameservers *ns, const struct ip *ip)
{
	for (size_t i = 0; i < ns->n; i++)
		if (ip_equal(&ns->list[i].ip, ip))
			return true;
	return false;
}

static bool is_loopback(const struct ip *ip)
{
	static const struct ip one = { .b = { [15] = 1 } };

	return ip_is_v4(ip) ? ip->b[12] == 127 : ip_equal(ip, &one);
}

bool nameservers_are_local(const struct nameservers *ns)
{
	for (size_t i = 0; i < ns->n; i++)
		if (!is_loopback(&ns->list[i].ip))
			return false;
	return ns->n > 0;
}

void nameservers_leave_out(struct nameservers *ns, const struct ip *ours, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < ns->n; i++) {
		bool is_ours = false;

		for (size_t k = 0; k < n; k++)
			is_ours |= ip_equal(&ns->list[i].ip, &ours[k]);
		if (!is_ours)
			ns->list[kept++] = ns->list[i];
	}
	ns->n = kept;
}

/* What interfaces have told resolvconf, one file each: openresolv's directory, and Debian's. */
static void read_records(struct nameservers *ns, const char *directory, const char *device)
{
	DIR *d = opendir(directory);
	const struct dirent *e;
	char path[512];

	while (d && (e = readdir(d))) {
		const char *tail = strstr(e->d_name, device);

		if (e->d_name[0] == '.' || (tail && tail[strlen(device)] == '\0'))
			continue; /* our own, with or without a prefix */
		snprintf(path, sizeof(path), "%s/%s", directory, e->d_name);
		nameservers_read(ns, path);
	}
	if (d)
		closedir(d);
}

static bool is_wanted(struct nameservers *ns, const struct ip *ours, size_t n)
{
	nameservers_leave_out(ns, ours, n);
	return ns->n > 0 && !nameservers_are_local(ns);
}

bool nameservers_of_machine(struct nameservers *out, const struct ip *ours, size_t n, const char *device)
{
	static const char *const upstream[] = { "/run/systemd/resolve/resolv.conf",
						"/run/NetworkManager/no-stub-resolv.conf",
						"/run/dnsmasq/resolv.conf" };
	static const char *const records[] = { "/run/resolvconf/interfaces", "/run/resolvconf/interface" };
	struct nameservers first = { .n = 0 };

	nameservers_read(&first, "/etc/resolv.conf");
	*out = first;
	if (is_wanted(out, ours, n))
		return true;
	first = *out;
	for (size_t i = 0; i < sizeof(upstream) / sizeof(*upstream); i++) {
		*out = (struct nameservers){ .n = 0 };
		if (nameservers_read(out, upstream[i]) && is_wanted(out, ours, n))
			return true;
	}
	*out = (struct nameservers){ .n = 0 };
	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++)
		read_records(out, records[i], device);
	if (is_wanted(out, ours, n))
		return true;
	*out = first;
	return out->n > 0;
}

const char *nameservers_format(const struct nameservers *ns, char buf[NAMESERVERS_TEXT_MAX])
{
	char ip[IP_STRLEN];
	size_t len = 0;

	snprintf(buf, NAMESERVERS_TEXT_MAX, "none");
	for (size_t i = 0; i < ns->n; i++)
		len += (size_t)snprintf(buf + len, NAMESERVERS_TEXT_MAX - len, "%s%s", i ? ", " : "",
					ip_format(&ns->list[i].ip, ip));
	return buf;
}
