package card

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/addcard/addcard/internal/spelling"
)

// schema has the fields of an object and, for those that are objects or lists of
// objects, their fields.
type schema map[string]schema

func names(list string) schema {
	s := schema{}
	for name := range strings.FieldsSeq(list) {
		s[name] = nil
	}
	return s
}

func (s schema) has(name string) bool {
	_, found := s[name]
	return found
}

// with adds the fields of an object to s and returns s.
func (s schema) with(name, fields string) schema {
	s[name] = names(fields)
	return s
}

// The fields on WeChat's pages "创建会员卡", "查看卡券详情", "更改会员卡信息", "一键激活"
// and "创建货架", as far as they have been collected.
var (
	cardSchema = schema{"card_type": nil, "member_card": memberCardSchema}

	memberCardSchema = func() schema {
		const link = "name tips url app_brand_user_name app_brand_pass"
		s := names(`background_pic_url prerogative supply_bonus supply_balance auto_activate wx_activate
			wx_activate_after_submit wx_activate_after_submit_url activate_url activate_app_brand_user_name activate_app_brand_pass
			bonus_url bonus_app_brand_user_name bonus_app_brand_pass balance_url balance_app_brand_user_name balance_app_brand_pass
			bonus_cleared bonus_rules balance_rules discount`)
		for i := '1'; i <= '3'; i++ {
			s.with("custom_field"+string(i), "name_type name url app_brand_user_name app_brand_pass").with("custom_cell"+string(i), link)
		}
		s.with("bonus_rule", `cost_money_unit increase_bonus max_increase_bonus init_increase_bonus cost_bonus_unit reduce_money
			least_money_to_use_bonus max_reduce_bonus`)
		s["base_info"], s["advanced_info"] = baseInfoSchema, advancedInfoSchema
		s["modify_msg_operation"] = schema{"url_cell": names("card_id_list end_time text url")}
		return s
	}()

	baseInfoSchema = func() schema {
		s := names(`logo_url brand_name code_type title sub_title color notice description service_phone
			use_custom_code get_custom_code_mode bind_openid get_limit use_limit can_share can_give_friend need_push_on_view
			location_id_list use_all_locations source url_name_type custom_url_name custom_url custom_url_sub_title
			custom_app_brand_user_name custom_app_brand_pass promotion_url_name promotion_url promotion_url_sub_title
			promotion_app_brand_user_name promotion_app_brand_pass center_title center_sub_title center_url
			center_app_brand_user_name center_app_brand_pass is_pay_and_qrcode use_dynamic_code area_code_list appid
			id status create_time update_time`)
		s.with("sku", "quantity total_quantity")
		s.with("date_info", "type begin_timestamp end_timestamp fixed_term fixed_begin_term")
		s["pay_info"] = schema{"swipe_card": names("is_swipe_card create_mid use_mid_list")}
		return s
	}()

	advancedInfoSchema = func() schema {
		s := names("business_service consume_share_card_list consume_share_self_num share_friends")
		s.with("use_condition", `accept_category reject_category least_cost object_use_for can_use_with_other_discount
			can_use_with_membercard`)
		s.with("abstract", "abstract icon_url_list")
		s.with("text_image_list", "image_url text")
		s.with("time_limit", "type begin_hour begin_minute end_hour end_minute")
		return s
	}()

	formSchema = func() schema {
		part := names("can_modify common_field_id_list custom_field_list").with("rich_field_list", "type name values")
		s := schema{"required_form": part, "optional_form": part}
		return s.with("service_statement", "name url").with("bind_old_card", "name url")
	}()

	shelfSchema = names("banner page_title can_share scene").with("card_list", "card_id thumb_url")
)

// unreviewed are the fields of a card that WeChat changes without a review (page
// "更改会员卡信息").
var unreviewed = names(`service_phone code_type get_limit use_limit can_share can_give_friend need_push_on_view location_id_list
	use_all_locations pay_info is_pay_and_qrcode supply_bonus supply_balance auto_activate wx_activate wx_activate_after_submit
	wx_activate_after_submit_url activate_url activate_app_brand_user_name activate_app_brand_pass discount bonus_rule`)

// mayBeReviewed reports whether a change of a card changes a field that is not known to
// be changed without a review.
func mayBeReviewed(before, change object) bool {
	for name, value := range change {
		inner, isObject := value.(object)
		switch {
		case holds(before[name], value) || unreviewed.has(name):
		case isObject && name == "base_info":
			if mayBeReviewed(before.object(name), inner) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// names checks the names of all fields in value. One that looks like a misspelt or
// misplaced field of WeChat's is a problem. Any other is only listed in v.unknown,
// because WeChat adds fields.
func (v *validation) names(value any, path string, known schema) {
	switch in := value.(type) {
	case []any:
		for i := range in {
			v.names(in[i], fmt.Sprintf("%s[%d]", path, i), known)
		}
	case object:
		for _, name := range slices.Sorted(maps.Keys(in)) {
			at := strings.TrimPrefix(path+"."+name, ".")
			if inner, found := known[name]; found {
				if inner != nil {
					v.names(in[name], at, inner)
				}
			} else if place := belongsIn(name); place != "" {
				v.add(at, "belongs in %s", place)
			} else if near := nearest(name, known); near != "" {
				v.add(at, "is not a field of WeChat's; did you mean %s?", near)
			} else {
				v.unknown = append(v.unknown, at)
			}
		}
	}
}

// belongsIn returns the object of a card that has a field of this name, or "".
func belongsIn(name string) string {
	for _, place := range []struct {
		path   string
		fields schema
	}{{"card", cardSchema}, {"member_card", memberCardSchema}, {"member_card.base_info", baseInfoSchema},
		{"member_card.advanced_info", advancedInfoSchema}} {
		if place.fields.has(name) {
			return place.path
		}
	}
	return ""
}

// nearest returns the known field that name is probably meant to be, or "".
func nearest(name string, known schema) string { return spelling.Nearest(name, maps.Keys(known)) }
