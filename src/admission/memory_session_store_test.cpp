#include "admission/memory_session_store.h"

#include "admission/session_store_contract.h"

namespace eventbus {
namespace {

class MemorySessionsUnderTest final : public SessionsUnderTest {
 public:
    void open(SessionIndex::Settings settings) override { store_.emplace(disk_, clock, settings); }
    void crash() override { store_.reset(); }
    SessionStore& store() override { return *store_; }

 private:
    MemorySessions disk_;
    std::optional<MemorySessionStore> store_;
};

std::unique_ptr<SessionsUnderTest> make_memory_sessions() {
    return std::make_unique<MemorySessionsUnderTest>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Memory, SessionStoreContract, testing::Values(&make_memory_sessions));

}  // namespace eventbus
