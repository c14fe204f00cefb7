#include "worker/resolvfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVED_CONF "/run/systemd/resolve/resolv.conf"
#define OURS "# Written by jumpvpnd"
#define TEXT_MAX 65536

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = f ? malloc(TEXT_MAX) : NULL;

	if (text)
		text[fread(text, 1, TEXT_MAX - 1, f)] = '\0';
	if (f)
		fclose(f);
	return text;
}

/* In place, for the file may be a mount of its own, and others may watch it. */
static int write_text(const char *path, const char *text)
{
	const size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), rc = 0;

	if (fd < 0 && errno == ENOENT) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd >= 0)
			(void)fchmod(fd, 0644);
	}
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

char *resolvfile_read(void)
{
	return read_text(RESOLV_CONF);
}

bool resolvfile_lists(const struct ip *server)
{
	struct nameservers now = { .n = 0 }, behind = { .n = 0 };

	if (!nameservers_read(&now, RESOLV_CONF))
		return false;
	if (nameservers_have(&now, server))
		return true;
	if (!nameservers_are_local(&now))
		return false;
	return !nameservers_read(&behind, RESOLVED_CONF) || nameservers_have(&behind, server);
}

bool resolvfile_is_ours(const char *text)
{
	return strncmp(text, OURS, strlen(OURS)) == 0;
}

/* Lines that say nothing of name servers. */
static size_t add_others(char *out, size_t room, const char *before)
{
	size_t len = 0;

	while (*before) {
		const size_t line = strcspn(before, "\n"), whole = line + (before[line] == '\n');

		if (strncmp(before, "nameserver", 10) != 0 && len + whole + 1 < room) {
			memcpy(out + len, before, whole);
			len += whole;
		}
		before += whole;
	}
	out[len] = '\0';
	return len;
}

/* A file, or a link to one, as resolvconf's own is. One that leads nowhere belongs to a program that has not started yet. */
static bool is_plain(void)
{
	struct stat st;

	if (stat(RESOLV_CONF, &st) == 0)
		return S_ISREG(st.st_mode);
	return errno == ENOENT && lstat(RESOLV_CONF, &st) < 0;
}

int resolvfile_put(const char *device, const struct ip *dns, size_t n, const char *before)
{
	char *text, ip[IP_STRLEN];
	size_t len;
	int rc;

	if (!is_plain())
		return -EMLINK;
	text = malloc(2 * TEXT_MAX);
	if (!text)
		return -ENOMEM;
	len = (size_t)snprintf(text, TEXT_MAX, OURS " for %s, which puts back what was here.\n", device);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, TEXT_MAX - len, "nameserver %s\n",
					ip_format(&dns[i], ip));
	add_others(text + len, 2 * TEXT_MAX - len, before ? before : "");
	rc = write_text(RESOLV_CONF, text);
	free(text);
	return rc;
}

int resolvfile_restore(const struct resolv_note *note, bool cut_short)
{
	const char *before = note->before ? note->before : "";
	struct nameservers then = { .n = 0 }, now = { .n = 0 };
	char *text = resolvfile_read();
	bool ours = text && resolvfile_is_ours(text);

	if (text)
		nameservers_parse(&now, text);
	free(text);
	nameservers_parse(&then, before);
	for (size_t i = 0; cut_short && i < note->n; i++)
		ours |= nameservers_have(&now, &note->dns[i]);
	if (!is_plain() || (!ours && (now.n > 0 || then.n == 0)))
		return 0;
	return write_text(RESOLV_CONF, before);
}

/* A line of what was done and with which servers, and behind it the text that was there, if there was one. */
int resolvfile_note_write(const char *path, const struct resolv_note *note)
{
	char ip[IP_STRLEN], fresh[256];
	FILE *f;
	bool well;

	if ((size_t)snprintf(fresh, sizeof(fresh), "%s.new", path) >= sizeof(fresh))
		return -ENAMETOOLONG;
	f = fopen(fresh, "we");
	if (!f)
		return -errno;
	fprintf(f, "%s %s", note->in_file ? "file" : "resolvconf", note->before ? "text" : "none");
	for (size_t i = 0; i < note->n; i++)
		fprintf(f, " %s", ip_format(&note->dns[i], ip));
	fprintf(f, "\n%s", note->before ? note->before : "");
	well = !ferror(f);
	if (fclose(f) != 0 || !well || rename(fresh, path) < 0)
		return -errno;
	return 0;
}

bool resolvfile_note_read(const char *path, struct resolv_note *note)
{
	char *text = read_text(path), *end = text ? strchr(text, '\n') : NULL, *rest = NULL;
	const char *how, *what, *word;

	*note = (struct resolv_note){ .n = 0 };
	if (!end) {
		free(text);
		return false;
	}
	*end = '\0';
	how = strtok_r(text, " ", &rest);
	what = strtok_r(NULL, " ", &rest);
	note->in_file = how && strcmp(how, "file") == 0;
	while (note->n < NAMESERVERS_MAX && (word = strtok_r(NULL, " ", &rest)))
		note->n += ip_parse(word, &note->dns[note->n]);
	note->before = what && strcmp(what, "text") == 0 ? strdup(end + 1) : NULL;
	if (!note->in_file && (!how || strcmp(how, "resolvconf") != 0))
		note->n = 0;
	free(text);
	return note->n > 0;
}
