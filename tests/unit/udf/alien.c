/* A library that is none of ours. */
int nothing(void);
int nothing(void) { return 0; }
