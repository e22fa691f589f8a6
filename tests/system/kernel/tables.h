/* tables.h: set up once, before the topics. */
#ifndef TABLES_H
#define TABLES_H

void tables_init(void);
/* Loads GDTR, IDTR, LDTR (null), TR and the segment registers. */
void tables_load(void);

#endif
