package admin

// exportWords are the texts of the files for people, by their keys, in each language.
var exportWords = map[string]map[string]string{
	"zh": {
		"sheet entries": "账目", "sheet members": "会员", "sheet audit": "操作记录",
		"time": "时间", "card_id": "会员卡", "code": "卡号", "true": "是", "false": "否",

		"entry_id": "流水号", "seq": "序号", "add_bonus": "积分变动", "bonus": "积分", "add_balance_fen": "余额变动（元）",
		"balance_fen": "余额（元）", "record_bonus": "积分说明", "record_balance": "余额说明", "actor": "经手人", "store": "门店", "order": "订单号",
		"reverses": "撤销的流水号", "reversed": "已撤销",

		"member_id": "会员编号", "created_at": "加入时间", "openids": "openid", "unionids": "unionid",
		"phone": "手机号", "status": "状态",
		"membership_number": "会员号", "custom_field1": "自定义栏 1", "custom_field2": "自定义栏 2", "custom_field3": "自定义栏 3",
		"outer_str": "渠道", "issued_at": "发卡号时间", "claimed_at": "领取时间", "activated_at": "激活时间",
		"issued": "未领取", "claimed": "已领取", "active": "已激活", "deleted": "已删除", "gifted": "已转赠", "unavailable": "已失效", "lost": "他人领取",

		"role": "角色", "source": "来源", "address": "地址", "action": "操作", "subject": "对象编号", "result": "结果", "problem": "错误码",
		"changes": "改动", "request_id": "请求编号", "audit_id": "记录编号",
		"owner": "店主", "manager": "店长", "cashier": "收银员", "api": "接口", "console": "控制台", "cli": "命令行",
		"done": "成功", "refused": "被拒绝", "failed": "出错", "unknown": "未知",
	},
	"en": {
		"sheet entries": "Entries", "sheet members": "Members", "sheet audit": "Audit log",
		"time": "Time", "card_id": "Card", "code": "Code", "true": "yes", "false": "no",

		"entry_id": "Entry", "seq": "No.", "add_bonus": "Points added", "bonus": "Points", "add_balance_fen": "Balance added (yuan)",
		"balance_fen": "Balance (yuan)", "record_bonus": "Record of the points", "record_balance": "Record of the balance", "actor": "By",
		"store": "Store", "order": "Order", "reverses": "Undoes the entry", "reversed": "Undone",

		"member_id": "Member", "created_at": "Since", "phone": "Phone", "status": "State", "membership_number": "Membership number",
		"custom_field1": "Custom field 1", "custom_field2": "Custom field 2", "custom_field3": "Custom field 3", "outer_str": "Channel",
		"issued_at": "Issued", "claimed_at": "Taken", "activated_at": "Activated",

		"role": "Role", "source": "From", "address": "Address", "action": "Action", "subject": "Object", "result": "Result",
		"problem": "Error", "changes": "Changes", "request_id": "Request", "audit_id": "Record",
		"api": "API", "cli": "command line",
	},
}
