// Debian's RocksDB is built without TSan, which so does not see how its threads hand blocks over
// to each other, and reports each such block when it is freed.

extern "C" const char* __tsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier)

extern "C" const char* __tsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier)
    return "race:librocksdb.so\n";
}
