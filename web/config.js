/** 改成你自己的。 Change these to your own. */

/** addcard 的公网地址（PUBLIC_URL），结尾没有斜杠。 Where addcard is, without a slash at the end. */
export const api = 'https://api.shop.example'

/** 要领取的会员卡。 The card to take. */
export const cardId = ''

/** 渠道，记在每张领取的卡上，最多 128 字节。 The channel, recorded with each card that is taken. */
export const channel = 'h5'
