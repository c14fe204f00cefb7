/*
 * Key agreement, away from the data loop. Any thread runs job_run(); it touches nothing but the job.
 */
#include "session/job.h"

#include <stdlib.h>

static bool welcome_create(struct job *j)
{
	struct packet_welcome *w = &j->welcome;

	return noise_create_welcome(&j->noise, j->e_priv, j->psk, w->e, w->payload, j->payload,
				    sizeof(j->payload), &j->split);
}

static bool welcome_consume(struct job *j)
{
	const struct packet_welcome *w = &j->welcome;

	return noise_consume_welcome(&j->noise, w->e, w->payload, sizeof(w->payload), j->payload, &j->split);
}

void job_run(struct job *j)
{
	switch (j->kind) {
	case JOB_HELLO_CREATE:
		j->ok = noise_create_hello(&j->noise, j->e_priv, j->hello.e, j->hello.s, j->hello.payload,
					   &j->hello_payload, sizeof(j->hello_payload));
		break;
	case JOB_HELLO_STATIC:
		j->ok = noise_read_static(&j->noise, j->hello.e, j->hello.s);
		break;
	case JOB_HELLO_PAYLOAD:
		j->ok = noise_read_payload(&j->noise, j->hello.payload, sizeof(j->hello.payload),
					   (uint8_t *)&j->hello_payload);
		break;
	case JOB_HELLO_ANSWER:
		j->ok = true;
		break;
	case JOB_WELCOME_CREATE:
		j->ok = welcome_create(j);
		break;
	case JOB_WELCOME_CONSUME:
		j->ok = welcome_consume(j);
		break;
	case JOB_REKEY_PUBLIC:
		j->ok = x25519_public(j->e_pub, j->e_priv);
		break;
	case JOB_REKEY_SHARED:
		j->ok = x25519_public(j->e_pub, j->e_priv) && x25519(j->shared, j->e_priv, j->peer_pub);
		break;
	}
}

void job_free(struct job *j)
{
	crypto_wipe(j, sizeof(*j));
	free(j);
}
