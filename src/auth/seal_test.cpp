#include "auth/seal.h"

#include <gtest/gtest.h>

#include <string>

#include "support/seeded_random.h"

namespace eventbus {
namespace {

SealKey key_of(char c) {
    SealKey key;
    key.bytes.fill(static_cast<std::byte>(c));
    return key;
}

TEST(Seal, WhatWasSealedComesBackAndIsNoPartOfTheText) {
    SeededRandom random(1);
    for (const std::size_t size : {0, 1, 2, 3, 15, 16, 17, 6'000}) {
        SCOPED_TRACE(size);
        std::string text(size, '\0');
        for (char& c : text) c = static_cast<char>(random.below(256));
        const std::string sealed = seal(key_of('k'), random, text);
        EXPECT_EQ(sealed.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                           "0123456789-_"),
                  std::string::npos);
        EXPECT_EQ(unseal(key_of('k'), sealed), text);
        EXPECT_NE(seal(key_of('k'), random, text), sealed);
        EXPECT_FALSE(unseal(key_of('l'), sealed));
    }
}

TEST(Seal, WhatWasChangedOrCutIsNothing) {
    SeededRandom random(1);
    const std::string sealed = seal(key_of('k'), random, "token");
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        std::string changed = sealed;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        EXPECT_FALSE(unseal(key_of('k'), changed)) << i;
        EXPECT_FALSE(unseal(key_of('k'), sealed.substr(0, i))) << i;
    }
    for (const char* text : {"", "=", "+/", "a", "\xff\xff\xff\xff", "AAAA"}) {
        EXPECT_FALSE(unseal(key_of('k'), text)) << text;
    }
}

}  // namespace
}  // namespace eventbus
