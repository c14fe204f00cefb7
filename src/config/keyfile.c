/* Key files: one line of base64, which nobody but its owner may look at. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "config/keyfile.h"

static const char *how_to_make(const struct key *k)
{
	return k->kind == KEY_PRIVATE ? "jumpvpnd keygen" : "head -c 32 /dev/urandom | base64";
}

/* Not there, or not ours to read. */
static bool cannot_open(struct parse *p, const struct key *k, const struct node *n, const char *file, int err)
{
	if (err == ENOENT && p->notes)
		parse_note(p, n->at, "%s does not exist yet; make it with: (umask 077; %s > %s)", file,
			   how_to_make(k), file);
	else if (err == ENOENT)
		parse_error(p, n->at, "%s does not exist; make it with: (umask 077; %s > %s)", file,
			    how_to_make(k), file);
	else if (err == EACCES && p->notes)
		parse_note(p, n->at, "%s is not for this user to read, and was not checked", file);
	else
		parse_error(p, n->at, "%s cannot be opened: %s", file, strerror(err));
	return p->notes && (err == ENOENT || err == EACCES);
}

/* The user the daemon is to become, who reads the file again at a reload, owns it as rightly as root. */
static bool is_future_user(const struct parse *p, uid_t uid)
{
	const struct node *user = p->nsources ? node_get(p->sources[0].tree.root, "user") : NULL;
	const bool named = user && user->kind == NODE_TEXT;
	const struct passwd *pw = NULL;

	if (named || p->config->role == ROLE_SERVER)
		pw = getpwnam(named ? user->text : CONFIG_DEFAULT_USER);

	return pw && pw->pw_uid == uid;
}

/*
 * Root checks the file of a daemon which the service manager starts as another user (User= of a unit): who that is only
 * the unit knows.
 */
static bool is_anothers(struct parse *p, const struct node *n, const char *file, const struct stat *st)
{
	const struct passwd *pw;

	if (!p->notes || geteuid() != 0 || st->st_uid == 0 || is_future_user(p, st->st_uid))
		return false;
	pw = getpwuid(st->st_uid);
	if (pw)
		parse_note(p, n->at, "%s belongs to %s: only a daemon that is started as %s takes it", file,
			   pw->pw_name, pw->pw_name);
	else
		parse_note(p, n->at,
			   "%s belongs to user %u: only a daemon that is started as that user takes it", file,
			   (unsigned int)st->st_uid);
	return true;
}

static bool is_safe(struct parse *p, const struct node *n, const char *file, const struct stat *st)
{
	const bool owned = st->st_uid == 0 || st->st_uid == geteuid() || is_future_user(p, st->st_uid);

	if (!S_ISREG(st->st_mode))
		parse_error(p, n->at, "%s is not a regular file", file);
	else if (!owned && !is_anothers(p, n, file, st))
		parse_error(p, n->at,
			    "%s belongs to user %u; allowed: root, or the user that runs this; "
			    "mend it with: chown root %s",
			    file, (unsigned int)st->st_uid, file);
	else if (st->st_mode & 077)
		parse_error(p, n->at, "%s is open to others (mode %04o); mend it with: chmod 600 %s", file,
			    (unsigned int)st->st_mode & 07777, file);
	else
		return true;
	return false;
}

/* Up to `size` bytes, of a file that may come in pieces. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size && (n = read(fd, buf + len, size - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		len += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)len;
}

static bool decode(uint8_t out[32], char *text, ssize_t len)
{
	static const uint8_t zero[32];

	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		len--;
	if (len != KEY_BASE64_LEN)
		return false;
	text[len] = '\0';
	return base64_decode(out, 32, text) && memcmp(out, zero, sizeof(zero));
}

bool keyfile_read(struct parse *p, const struct key *k, const struct node *n, const char *file,
		  uint8_t out[32])
{
	char text[KEY_BASE64_LEN + 20];
	uint8_t value[32];
	struct stat st;
	bool ok = false;
	ssize_t len;
	/* nonblocking: a FIFO of that name must not hold us up */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return cannot_open(p, k, n, file, errno);
	if (fstat(fd, &st) < 0) {
		parse_error(p, n->at, "%s cannot be looked at: %s", file, strerror(errno));
		goto out;
	}
	if (!is_safe(p, n, file, &st))
		goto out;
	len = read_all(fd, text, sizeof(text) - 1);
	if (len < 0)
		parse_error(p, n->at, "%s cannot be read: %s", file, strerror((int)-len));
	else if (!decode(value, text, len))
		parse_error(p, n->at,
			    "%s holds no key: one line of %d characters of base64, not all zero; "
			    "make one with: (umask 077; %s > %s)",
			    file, KEY_BASE64_LEN, how_to_make(k), file);
	else
		ok = true;
	if (ok)
		memcpy(out, value, sizeof(value));
out:
	explicit_bzero(text, sizeof(text));
	explicit_bzero(value, sizeof(value));
	close(fd);
	return ok;
}
