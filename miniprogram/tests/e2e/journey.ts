/** Sets up journeys: one world for all tests of a file, a user and a card for each test. */
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser, TestPhone, type PhoneOptions } from './phone.ts'
import { started, startWorld, type CardDraft, type World } from './world.ts'

export let world: World
export let browser: Browser
let users = 0

before(() => started([startWorld().then((it) => (world = it)), launchBrowser().then((it) => (browser = it))]))
after(async () => {
  await browser?.close()
  await world?.stop()
})

export type Walk = (phone: TestPhone, cardId: string) => Promise<void>

/** Defines a journey, with its own card and user. It fails if the page logs an error. */
export function journey(
  name: string,
  walk: Walk,
  options: PhoneOptions & { card?: (card: CardDraft) => void } = {},
) {
  test(name, async () => follow(walk, await world.createCard(options.card), options))
}

export async function follow(walk: Walk, cardId: string, options: PhoneOptions = {}) {
  const query = { card_id: cardId, outer_str: 'home' }
  const phone = await TestPhone.open(browser, world, `user${++users}`, { query, ...options })
  try {
    await walk(phone, cardId)
  } catch (error) {
    const seen = await phone.page
      .locator('body')
      .innerText()
      .catch(() => '')
    await phone.close().catch((more: unknown) => console.error(String(more)))
    throw new Error(
      `${String(error)}\non the screen:\n${seen}\nrequests: ${JSON.stringify(phone.requests)}`,
      { cause: error },
    )
  }
  await phone.close()
}

/** The user of the next follow, for events before the journey. */
export const nextUser = () => `user${users + 1}`

export const index = 'pages/index/index'
export const member = 'pages/member/member'
export const code = 'pages/code/code'

/** Takes the card on the first page, until it is active on 我的会员卡. */
export async function take(phone: TestPhone): Promise<void> {
  await phone.tap('立即领取')
  await phone.on(member)
  await phone.sees('使用中')
}
