/**
 * What a shared page shows and opens: the page on which the card is taken, with
 * a channel (outer_str) of its own, so that the shop can count these cards.
 */
import { joining } from '../config'
import type { Face } from './api'

type Shared = Pick<Face, 'card_id' | 'brand_name' | 'title' | 'logo_url' | 'background_pic_url'>

const query = (face: Shared) =>
  `card_id=${encodeURIComponent(face.card_id)}&outer_str=${encodeURIComponent(joining.shareChannel)}`

const title = (face: Shared) => [face.brand_name, face.title].filter(Boolean).join(' ')

/** For onShareAppMessage. Without a picture of its own, WeChat would take one of the page, with the member's figures. */
export const messageFor = (face: Shared) => ({
  title: title(face),
  path: `/pages/index/index?${query(face)}`,
  imageUrl: face.background_pic_url || face.logo_url,
})

/** For onShareTimeline, which opens the same page as it is shared from. */
export const timelineFor = (face: Shared) => ({
  title: title(face),
  query: query(face),
  imageUrl: face.logo_url,
})

/**
 * Whether the page was opened in WeChat's timeline (朋友圈), where it can only be
 * looked at: there is no login and no other page.
 */
export const onlyShown = (): boolean => wx.getLaunchOptionsSync().scene === 1154
