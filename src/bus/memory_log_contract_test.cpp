#include "bus/subjects.h"
#include "log/log_contract.h"
#include "log/memory_log.h"

namespace eventbus {
namespace {

class MemoryLogUnderTest final : public LogUnderTest {
 public:
    void open() override {
        subjects_.emplace(Subjects::Settings{});
        MemoryLog::Settings settings;
        settings.sequencer.dedupe.keys_max = kDedupeKeysMax;
        log_.emplace(disk_, *subjects_, clock, settings);
    }
    void start() override { log_->start(); }
    void crash() override { log_.reset(); }
    Log& log() override { return *log_; }

 private:
    MemoryDisk disk_;
    std::optional<Subjects> subjects_;
    std::optional<MemoryLog> log_;
};

std::unique_ptr<LogUnderTest> make_memory_log() { return std::make_unique<MemoryLogUnderTest>(); }

}  // namespace

INSTANTIATE_TEST_SUITE_P(Memory, LogContract, testing::Values(&make_memory_log));

}  // namespace eventbus
