#pragma once

#include <string>
#include <vector>

struct x509_st;

namespace eventbus {

// Why clients may refuse a server's certificate though the server can use it: the file does not
// lead, one signer behind the other, to an authority. "its number 2 did not sign its number 1; …",
// each with how to fix it. Knows the authorities that this machine trusts, as OpenSSL finds them.
std::vector<std::string> doubts_about_chain(const std::vector<x509_st*>& chain);

}  // namespace eventbus
