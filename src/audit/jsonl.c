/*
 * The JSON lines file: appended in whole lines, one write for a batch.
 *
 * No line is ever torn for good. When the disk is full in the middle of one, the piece is cut off again, or,
 * where that cannot be (a pipe), ended with a newline before anything else is written. What could not be written
 * is counted, and an AuditGap with the number is the first line when it works again.
 */
#include "audit/jsonl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/chain.h"
#include "audit/queue.h"
#include "base/log.h"

struct jsonl_file {
	int fd;      /* -1: takes nothing */
	bool torn;   /* the file does not end with a newline */
	bool locked; /* or it is no regular file */
	char path[];
};

struct batch { /* the lines of one write, and how many records each stands for */
	char text[1 + (SINK_BATCH + 1) * (AUDIT_LINE_MAX + 1)];
	size_t len;
	size_t lines;
	size_t end[SINK_BATCH + 1];
	uint64_t weight[SINK_BATCH + 1];
	bool gap[SINK_BATCH + 1]; /* counted where its records were lost */
	uint8_t chain[SINK_BATCH + 1][AUDIT_CHAIN_LEN];
};

struct jsonl {
	_Atomic(struct jsonl_file *) next; /* put there by the control loop */
	struct jsonl_file *file;
	struct audit_record last;
	uint64_t untold; /* lost, and not yet told in the file */
	atomic_uint_fast64_t lost;
	bool failing;
	struct audit_chain chain; /* of the last line that is in the file */
	bool begun;               /* a line of this run is in some file */
	bool tell_prev;           /* the next line is the first of its file */
	struct batch batch;
};

/* A daemon that was killed may have left a piece of a line. */
static bool ends_torn(int fd)
{
	struct stat st;
	char last;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	       pread(fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/*
 * Non-blocking, and readable too: opening a FIFO must not wait for a reader. A link is not followed: whoever may write
 * to the directory could point it at any file of ours. The mode of a new file is for a log shipper in our group, whatever umask
 * there is.
 */
static int open_or_make(const char *path)
{
	const int flags = O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
	int fd = open(path, flags | O_CREAT | O_EXCL, 0640);

	if (fd < 0)
		return errno == EEXIST ? open(path, flags) : -1;
	if (fchmod(fd, 0640) < 0)
		log_warn("audit: cannot set the mode of %s: %s", path, strerror(errno));
	return fd;
}

/*
 * Two writers would break each other's chain. The lock belongs to an open file: at a reload the one that is still in use
 * keeps it, and the new one gets it when that is closed.
 */
static bool lock(struct jsonl_file *f, struct jsonl_held *held)
{
	struct stat st;
	bool ours;

	if (fstat(f->fd, &st) < 0)
		return false;
	ours = held->dev == st.st_dev && held->ino == st.st_ino;
	f->locked = !S_ISREG(st.st_mode) || flock(f->fd, LOCK_EX | LOCK_NB) == 0;
	*held = (struct jsonl_held){ st.st_dev, st.st_ino };
	return f->locked || ours || errno != EWOULDBLOCK;
}

struct jsonl_file *jsonl_open(const char *path, struct jsonl_held *held)
{
	struct jsonl_file *f = malloc(sizeof(*f) + (path ? strlen(path) : 0) + 1);
	struct jsonl_held before = *held;
	int err;

	if (!f)
		return NULL;
	*f = (struct jsonl_file){ .fd = -1, .locked = true };
	strcpy(f->path, path ? path : "");
	*held = (struct jsonl_held){ 0 };
	if (!path)
		return f;
	*held = before;
	f->fd = open_or_make(path);
	if (f->fd >= 0 && lock(f, held))
		return f;
	err = errno;
	*held = before;
	if (f->fd >= 0)
		close(f->fd);
	free(f);
	errno = err;
	return NULL;
}

void jsonl_close(struct jsonl_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0) {
		fdatasync(f->fd);
		close(f->fd);
	}
	free(f);
}

void *jsonl_new(struct jsonl_file *f, chain_digest *digest, const uint8_t run[AUDIT_RUN_LEN])
{
	struct jsonl *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->file = f;
	j->chain.digest = digest;
	memcpy(j->chain.run, run, sizeof(j->chain.run));
	return j;
}

void jsonl_replace(void *state, struct jsonl_file *f)
{
	struct jsonl *j = state;

	jsonl_close(atomic_exchange(&j->next, f));
}

/* A run builds its chain on the last whole line that an earlier run left in the file. */
static void continue_chain(struct jsonl *j)
{
	char *tail = j->batch.text; /* not in use yet */
	const off_t room = 2 * AUDIT_LINE_MAX;
	struct stat st;
	ssize_t n;

	if (fstat(j->file->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	n = pread(j->file->fd, tail, (size_t)room, st.st_size > room ? st.st_size - room : 0);
	if (n > 0)
		chain_find(tail, (size_t)n, j->chain.value);
}

static void jsonl_take_up(struct jsonl *j)
{
	j->file->torn = ends_torn(j->file->fd);
	j->tell_prev = true;
	if (!j->begun && j->file->fd >= 0)
		continue_chain(j);
}

static void jsonl_take_next(struct jsonl *j)
{
	struct jsonl_file *next = atomic_exchange(&j->next, NULL);

	if (!next)
		return;
	jsonl_close(j->file);
	j->file = next;
	if (!next->locked && flock(next->fd, LOCK_EX | LOCK_NB) < 0)
		log_warn("audit: another process writes %s, too: %s", next->path, strerror(errno));
	jsonl_take_up(j);
}

static void batch_add(struct batch *b, struct audit_chain *c, bool tell_prev, const struct audit_record *r)
{
	b->len += chain_line(b->text + b->len, r, c, tell_prev && b->lines == 0);
	memcpy(b->chain[b->lines], c->value, sizeof(c->value));
	b->text[b->len++] = '\n';
	b->end[b->lines] = b->len;
	b->gap[b->lines] = r->event == AUDIT_AUDIT_GAP;
	b->weight[b->lines] = b->gap[b->lines] ? r->count : 1;
	b->lines++;
}

/* Writes all it can; *error is 0 when that was everything. */
static size_t write_all(int fd, const char *text, size_t len, int *error)
{
	size_t done = 0;

	*error = 0;
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*error = n < 0 ? errno : EIO;
			break;
		}
		done += (size_t)n;
	}
	return done;
}

static void cut_torn_line(struct jsonl_file *f, size_t piece)
{
	struct stat st;

	f->torn = piece > 0 && (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)piece ||
				ftruncate(f->fd, st.st_size - (off_t)piece) < 0);
}

static void say_failing(struct jsonl *j, int error)
{
	if (error && !j->failing)
		log_warn("audit: cannot write %s: %s; records are lost and counted until it works again",
			 j->file->path, strerror(error));
	else if (!error && j->failing)
		log_info("audit: %s is written again", j->file->path);
	j->failing = error != 0;
}

static void jsonl_write_batch(struct jsonl *j, const struct batch *b)
{
	int error;
	size_t done = write_all(j->file->fd, b->text, b->len, &error);
	size_t whole_end = b->text[0] == '\n'; /* which ended a torn line */
	size_t i = 0;

	while (i < b->lines && b->end[i] <= done)
		whole_end = b->end[i++];
	if (i > 0) {
		memcpy(j->chain.value, b->chain[i - 1], sizeof(j->chain.value));
		j->begun = true;
		j->tell_prev = false;
	}
	if (done)
		cut_torn_line(j->file, done - whole_end);
	j->untold = 0;
	for (; i < b->lines; i++) {
		j->untold += b->weight[i];
		atomic_fetch_add(&j->lost, !b->gap[i]);
	}
	say_failing(j, error);
}

static void batch_fill(struct batch *b, struct jsonl *j, const struct audit_record *r, size_t n)
{
	struct audit_chain c = j->chain; /* the file's own goes on when the lines are in it */

	b->len = 0;
	b->lines = 0;
	if (j->file->torn)
		b->text[b->len++] = '\n';
	if (j->untold) {
		struct audit_record gap = queue_gap(n ? &r[0] : &j->last, j->untold);

		batch_add(b, &c, j->tell_prev, &gap);
	}
	for (size_t i = 0; i < n; i++)
		batch_add(b, &c, j->tell_prev, &r[i]);
}

static void jsonl_write(void *state, const struct audit_record *r, size_t n)
{
	struct jsonl *j = state;

	jsonl_take_next(j);
	if (j->file->fd < 0) {
		j->untold = 0;
		return;
	}
	batch_fill(&j->batch, j, r, n);
	if (n)
		j->last = r[n - 1];
	if (j->batch.len)
		jsonl_write_batch(j, &j->batch);
}

static bool jsonl_behind(const void *state)
{
	const struct jsonl *j = state;

	return j->untold > 0 || atomic_load(&j->next);
}

static void jsonl_start(void *state)
{
	struct jsonl *j = state;

	jsonl_take_up(j);
}

static void jsonl_finish(void *state)
{
	struct jsonl *j = state;

	jsonl_take_next(j);
	jsonl_close(j->file);
	j->file = NULL;
}

static uint64_t jsonl_lost(const void *state)
{
	const struct jsonl *j = state;

	return atomic_load(&j->lost);
}

static void jsonl_free(void *state)
{
	struct jsonl *j = state;

	jsonl_close(atomic_load(&j->next));
	jsonl_close(j->file);
	free(j);
}

const struct sink_type jsonl_sink = {
	.thread_name = "audit-jsonl",
	.start = jsonl_start,
	.write = jsonl_write,
	.behind = jsonl_behind,
	.finish = jsonl_finish,
	.lost = jsonl_lost,
	.free = jsonl_free,
};
