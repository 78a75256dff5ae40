#include "admission/session_store_contract.h"

#include "backplane/embedded/session_store.h"
#include "support/folder.h"

namespace eventbus {
namespace {

class EmbeddedSessionsUnderTest final : public SessionsUnderTest {
 public:
    void open(SessionIndex::Settings settings) override {
        auto opened = EmbeddedSessionStore::open(
            {.data_dir = folder_.path(), .index = settings, .boot_id = "boot-1"}, clock,
            {.epochs = Epochs("e1"), .last_open_in = {}});
        ASSERT_TRUE(opened.has_value()) << opened.error().detail;
        store_ = std::move(*opened);
    }
    // The worker ends with what it was asked, as a killed process had it in the kernel.
    void crash() override { store_.reset(); }
    SessionStore& store() override { return *store_; }

 private:
    Folder folder_;
    std::unique_ptr<EmbeddedSessionStore> store_;
};

std::unique_ptr<SessionsUnderTest> make_embedded_sessions() {
    return std::make_unique<EmbeddedSessionsUnderTest>();
}

}  // namespace

INSTANTIATE_TEST_SUITE_P(Embedded, SessionStoreContract, testing::Values(&make_embedded_sessions));

}  // namespace eventbus
