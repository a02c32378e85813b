/* Memory that lies recycled but unowned is marked for the address sanitizer, so that recycling hides no bug. */
#ifndef BASE_POISON_H
#define BASE_POISON_H
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POISONS 1
#endif
#ifdef POISONS
#include <sanitizer/asan_interface.h>
#define POISON(ptr, n) __asan_poison_memory_region((ptr), (n))
#define UNPOISON(ptr, n) __asan_unpoison_memory_region((ptr), (n))
#else
#define POISON(ptr, n) ((void)(ptr), (void)(n))
#define UNPOISON(ptr, n) ((void)(ptr), (void)(n))
#endif
#endif
