#include "decode/schema_book.hpp"

#include "checks.hpp"

#include <algorithm>

namespace s2v::decode {

std::shared_ptr<const NumberedSchema> SchemaBook::find(std::string_view text) {
    constexpr std::size_t kKept = 64;
    for (const std::shared_ptr<const NumberedSchema> &known : kept_)
        if (known->packet.text() == text) return known;
    for (std::size_t i = 0; i < recent_.size(); ++i)
        if (recent_[i]->packet.text() == text) {
            std::rotate(recent_.begin(), recent_.begin() + static_cast<std::ptrdiff_t>(i),
                        recent_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
            return recent_.front();
        }
    PacketSchema schema{text, selection_};
    ++compiled_;
    Offer offered;
    for (std::size_t k = 0; k < selection_.columns.size(); ++k) offered.columns.push_back(schema.has_column(k));
    for (std::size_t k = 0; k < selection_.fields.size(); ++k) offered.fields.push_back(schema.field_kinds(k));
    if (!selection_.fields.empty())
        for (const std::string &path : schema.paths()) offered.paths += path + '\n';
    std::int32_t number = 0;
    {
        const std::lock_guard<std::mutex> hold(lock_);
        const auto known = std::find(offered_.begin(), offered_.end(), offered);
        number = static_cast<std::int32_t>(known - offered_.begin());
        if (known == offered_.end()) offered_.push_back(std::move(offered));
    }
    if (recent_.size() == kKept) recent_.pop_back();
    recent_.insert(recent_.begin(), std::make_shared<const NumberedSchema>(NumberedSchema{std::move(schema), number}));
    return recent_.front();
}

std::shared_ptr<const NumberedSchema> SchemaBook::keep(std::string_view text) {
    std::shared_ptr<const NumberedSchema> known = find(text);
    if (std::ranges::find(kept_, known) == kept_.end()) kept_.push_back(known);
    return known;
}

SchemaBook::Offer SchemaBook::offer(std::int32_t number) const {
    const std::lock_guard<std::mutex> hold(lock_);
    require(static_cast<std::size_t>(number) < offered_.size(), "schema: there is none of this number");
    return offered_[static_cast<std::size_t>(number)];
}

}  // namespace s2v::decode
