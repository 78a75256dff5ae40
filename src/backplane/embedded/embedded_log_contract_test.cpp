#include "backplane/embedded/embedded_log.h"
#include "bus/subjects.h"
#include "log/log_contract.h"
#include "support/folder.h"
#include "support/seeded_random.h"

namespace eventbus {
namespace {

class EmbeddedLogUnderTest final : public LogUnderTest {
 public:
    void open() override {
        subjects_.emplace(Subjects::Settings{});
        auto log = EmbeddedLog::open({.data_dir = folder_.path(),
                                      .free_bytes_min = 0,
                                      .dedupe = {.keys_max = kDedupeKeysMax}},
                                     *subjects_, clock, random_);
        BUS_ASSERT(log.has_value());
        log_ = std::move(*log);
    }
    void start() override { log_->start(); }
    // A clean end; embedded_log_crash_test.cpp kills.
    void crash() override { log_.reset(); }
    Log& log() override { return *log_; }

 private:
    Folder folder_;
    SeededRandom random_{1};
    std::optional<Subjects> subjects_;
    std::unique_ptr<EmbeddedLog> log_;
};

std::unique_ptr<LogUnderTest> make_embedded_log() {
    return std::make_unique<EmbeddedLogUnderTest>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Embedded, LogContract, testing::Values(&make_embedded_log));

}  // namespace eventbus
