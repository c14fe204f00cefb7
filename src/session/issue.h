/* Server: locators for the slots of a session. */
#pragma once

#include "session/session.h"

/* A fresh locator for this slot. False: none could be put into the table. */
bool issue_locator(struct session *s, uint8_t slot);
/* Fresh locators for the slots the client will not use again; it says so until it has them. */
void issue_replace(struct path *p, uint16_t spent);
