#include "decode/schema_book.hpp"

#include <algorithm>

namespace s2v::decode {

std::shared_ptr<const KnownSchema> SchemaBook::find(std::string_view text) {
    constexpr std::size_t kKept = 64;
    for (std::size_t i = 0; i < recent_.size(); ++i)
        if (recent_[i]->packet.text() == text) {
            std::rotate(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(i),
                        recent_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            return recent_.front();
        }
    PacketSchema schema{std::string(text), columns_};
    std::vector<std::uint8_t> offered(columns_.size());
    for (std::size_t k = 0; k < offered.size(); ++k) offered[k] = schema.has_column(k);
    std::int32_t number = 0;
    {
        const std::lock_guard<std::mutex> hold(lock_);
        const auto known = std::find(offered_.begin(), offered_.end(), offered);
        number = static_cast<std::int32_t>(known - offered_.begin());
        if (known == offered_.end()) offered_.push_back(offered);
    }
    if (recent_.size() == kKept) recent_.pop_back();
    recent_.insert(recent_.begin(), std::make_shared<const KnownSchema>(KnownSchema{std::move(schema), number}));
    return recent_.front();
}

std::vector<std::uint8_t> SchemaBook::columns_of(std::int32_t number) const {
    const std::lock_guard<std::mutex> hold(lock_);
    return offered_.at(static_cast<std::size_t>(number));
}

}  // namespace s2v::decode
