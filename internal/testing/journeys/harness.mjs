/**
 * The tests of the console in Chromium. A test file opens a shop, which is a server and a simulated WeChat of its
 * own, and declares its journeys with shop.test; README.md has an example.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { after, test } from 'node:test'
import { chromium } from 'playwright-core'
import { checkPage } from './checks.mjs'
import { startProxy } from './proxy.mjs'
import { exchange, patience, startSandbox } from './sandbox.mjs'
import { shoot } from './shots.mjs'
import { watch } from './watch.mjs'

/** Where a reverse proxy serves the console: '' for none, and /shop for example. */
export const prefix = process.env.PREFIX ?? ''

const flags = [
  '--no-sandbox',
  '--disable-gpu', // Debian's Chromium would emulate one, which is more work
  '--disable-gpu-rasterization',
  '--disable-software-rasterizer',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** @returns {Promise<import('playwright-core').Browser>} */
export function launchBrowser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
  const executablePath = [process.env.CHROMIUM ?? '']
    .concat((process.env.PATH ?? '').split(delimiter).flatMap((dir) => names.map((name) => join(dir, name))))
    .find((path) => path && existsSync(path))
  if (!executablePath) throw new Error('Chromium is missing: install it, or name it in CHROMIUM')
  return chromium.launch({ executablePath, args: flags, timeout: patience })
}

/**
 * Opens a shop for the tests of one file, and closes it after them.
 * @param {object} [options]
 * @param {Record<string, string>} [options.env] variables of the server
 * @param {string[]} [options.flags] flags of cmd/sandbox
 * @returns {Promise<Shop>}
 */
export async function openShop({ env = {}, flags = [] } = {}) {
  const proxied = { CONSOLE_PREFIX: prefix, TRUSTED_PROXIES: '127.0.0.1' }
  const sandbox = await startSandbox(prefix ? { ...proxied, ...env } : env, flags)
  after(sandbox.stop)
  const browser = await launchBrowser()
  after(() => browser.close())
  if (!prefix) return new Shop(sandbox, browser, sandbox.adminUrl)
  const proxy = await startProxy(sandbox.adminUrl, prefix, process.env.PROXY === 'remove' ? 'remove' : 'pass')
  after(proxy.stop)
  return new Shop(sandbox, browser, proxy.origin)
}

/**
 * What a journey gets.
 * @typedef {object} Visit
 * @property {import('playwright-core').Page} page
 * @property {(path: string) => Promise<void>} open opens a page of the console, such as /members
 * @property {() => Promise<void>} checked checks that the page as it is now can be used by all; see checkPage
 * @property {(name: string) => Promise<void>} shots takes pictures of the page if SCREENSHOTS names a folder
 * @property {RegExp[]} expected what the journey causes of answers and failures of the network, such as /^409: POST/
 * @property {string[]} dialogs what the page has asked. The answer is yes; setting answer.yes to false changes that
 * @property {{ yes: boolean }} answer
 */

/** A server, a simulated WeChat, and the browsers of those who use the console. */
export class Shop {
  /** @type {Map<string, Promise<string>>} the ids of the people by their roles */
  #people = new Map()
  #sandbox
  #browser

  /**
   * @param {import('./sandbox.mjs').Sandbox} sandbox
   * @param {import('playwright-core').Browser} browser
   * @param {string} origin of the console
   */
  constructor(sandbox, browser, origin) {
    this.#sandbox = sandbox
    this.#browser = browser
    /** The origin of the console, without its prefix. */
    this.origin = origin
    /** The address of the console. */
    this.url = origin + prefix
  }

  /**
   * Declares a journey. It fails too if the page logs an error, breaks its policy, requests something of another
   * host, or gets an error for something that it loads.
   * @param {string} name
   * @param {object} who
   * @param {'owner' | 'manager' | 'cashier' | ''} [who.role] who has signed in; '' before that
   * @param {string} [who.lang] the language of the browser: zh-CN or en
   * @param {number} [who.width] the width of the window
   * @param {(visit: Visit) => Promise<void>} journey
   */
  test(name, { role = 'owner', lang = 'zh-CN', width = 1280 }, journey) {
    test(name, { timeout: 3 * patience }, async () => {
      const context = await this.#browser.newContext({
        viewport: { width, height: 900 },
        locale: lang,
        reducedMotion: 'reduce',
        colorScheme: 'light',
      })
      context.setDefaultTimeout(patience)
      const page = await context.newPage()
      const { errors, expected, dialogs, answer } = await watch(page, this.url)
      try {
        if (role) await this.signIn(page, role)
        await journey({
          page,
          open: async (path) => void (await page.goto(this.url + path)),
          checked: () => checkPage(page, this.url),
          shots: (name) => shoot(page, name, this.url),
          expected,
          dialogs,
          answer,
        })
        assert.deepEqual(errors, [], 'the browser has found errors')
      } catch (error) {
        const text = await page.locator('body').innerText({ timeout: 1000 }).catch(String)
        console.error(`${name}: at ${page.url()}\n${errors.join('\n')}\n${text}\n${this.#sandbox.log()}`)
        throw error
      } finally {
        await context.close()
      }
    })
  }

  /**
   * Signs in as the owner, or as a person with the role, who is added to the staff before.
   * @param {import('playwright-core').Page} page
   * @param {'owner' | 'manager' | 'cashier'} role
   */
  async signIn(page, role) {
    await page.goto(await this.link(role))
    await page.locator('main button').click()
    await page.locator('header form[action$="/logout"]').waitFor()
  }

  /**
   * Returns a link with which a person signs in, once.
   * @param {'owner' | 'manager' | 'cashier'} role
   */
  async link(role) {
    const add = async () => (await this.api('POST', '/v1/staff', { name: `A ${role}`, role })).id
    if (!this.#people.has(role)) this.#people.set(role, role === 'owner' ? Promise.resolve('owner') : add())
    const { secret } = await this.api('POST', `/v1/staff/${await this.#people.get(role)}/link`)
    return `${this.url}/login?link=${secret}`
  }

  /**
   * Calls the operator's API as the owner.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   */
  api(method, path, body) {
    return exchange(method, this.#sandbox.adminUrl + path, body, this.#sandbox.token)
  }

  /**
   * Calls the control API of the simulator, such as POST /_sim/phones/ming/login; see internal/wechatsim/README.md.
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   */
  wechat(method, path, body) {
    return exchange(method, this.#sandbox.wechatUrl + path, body)
  }

  /**
   * Has the sandbox's CRM answer webhooks in another way: ok, fail, slow, redirect, gone.
   * @param {string} mode
   */
  async crm(mode) {
    const answer = await fetch(`${this.#sandbox.wechatUrl}/_crm/mode/${mode}`, { method: 'PUT' })
    assert.ok(answer.ok, `the mode ${mode}`)
  }

  /**
   * Has a user sign in to the mini-program and take a card, and returns the member card.
   * @param {string} user
   * @param {string} cardId
   * @param {string} [outerStr] the channel
   * @returns {Promise<{ cardId: string, code: string }>}
   */
  async takeCard(user, cardId, outerStr = '') {
    const { token, list } = await this.sign(user, cardId, outerStr)
    const { cardList } = await this.wechat('POST', `/_sim/phones/${user}/add-card`, list)
    const claimed = await this.#post('/v1/claims', { cardList }, token)
    return { cardId, code: claimed.cards[0].code }
  }

  /**
   * Has a user sign in to the mini-program, and returns the session and the list that wx.addCard takes.
   * @param {string} user
   * @param {string} cardId
   * @param {string} [outerStr] the channel
   */
  async sign(user, cardId, outerStr = '') {
    const { code } = await this.wechat('POST', `/_sim/phones/${user}/login`)
    const { token } = await this.#post('/v1/session', { code })
    const cards = [{ card_id: cardId, ...(outerStr && { outer_str: outerStr }) }]
    return { token, list: await this.#post('/v1/card-ext', { cards }, token) }
  }

  #post(path, body, token) {
    return exchange('POST', this.#sandbox.publicUrl + path, body, token)
  }

  /**
   * Creates a member card at WeChat, which approves it, and returns its card_id. Without changes it has points and
   * balance, codes of the server, and is activated when it is taken.
   * @param {Record<string, unknown>} [changes] of the card
   * @param {Record<string, unknown>} [base] changes of its base_info
   */
  async createCard(changes = {}, base = {}) {
    const card = {
      background_pic_url: 'https://mmbiz.qlogo.cn/mmbiz/demo/0',
      base_info: {
        logo_url: 'http://mmbiz.qpic.cn/mmbiz/demo/0',
        brand_name: '示例小店',
        code_type: 'CODE_TYPE_QRCODE',
        title: '金卡会员',
        color: 'Color020',
        notice: '结账时出示此卡',
        description: '每消费一元积一分，积分不兑换现金。',
        sku: { quantity: 1000 },
        date_info: { type: 'DATE_TYPE_PERMANENT' },
        use_custom_code: true,
        get_limit: 1,
        can_share: false,
        can_give_friend: false,
        ...base,
      },
      supply_bonus: true,
      supply_balance: true,
      prerogative: '会员日双倍积分',
      auto_activate: false,
      activate_url: 'https://shop.example/activate',
      custom_field1: { name_type: 'FIELD_NAME_TYPE_LEVEL', url: 'https://shop.example/level' },
      ...changes,
    }
    const { card_id } = await this.api('POST', '/v1/cards', {
      card: { card_type: 'MEMBER_CARD', member_card: card },
    })
    await this.wechat('POST', `/_sim/cards/${card_id}/approve`)
    return card_id
  }
}

/**
 * Waits until ask returns something that is not undefined, and returns it.
 * @template T
 * @param {() => Promise<T | undefined>} ask
 * @param {string} what the name of what is awaited
 * @returns {Promise<T>}
 */
export async function eventually(ask, what) {
  const deadline = Date.now() + patience
  for (;;) {
    const found = await ask()
    if (found !== undefined) return found
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`)
    await new Promise((wake) => setTimeout(wake, 50))
  }
}
