/*
 * Stands in for WeChat's jweixin in a page that any browser shows: wx is the phone of the user whom the cookie
 * _sim_user names. It takes from the page what jweixin takes, and the simulator decides. It shows no windows.
 */
;(function () {
  'use strict'
  const base = new URL('.', document.currentScript.src)
  const user = (/(?:^|; )_sim_user=([^;]+)/.exec(document.cookie) || [, 'guest'])[1]
  const userAgent = navigator.userAgent + ' MicroMessenger/8.0.50 (simulated)'
  Object.defineProperty(navigator, 'userAgent', { get: () => userAgent })

  let allowed = [] // what wx.config has asked for, when it was right
  let onReady = []
  let onError = []
  let outcome // of wx.config: its errMsg

  async function post(path, body) {
    const answer = await fetch(new URL(path, base), { method: 'POST', body: JSON.stringify(body) })
    return answer.json()
  }

  function configured(errMsg) {
    outcome = errMsg
    if (errMsg === 'config:ok') onReady.forEach((f) => f())
    else onError.forEach((f) => f({ errMsg }))
    onReady = []
  }

  /** Ends a call as jweixin does: errMsg decides which function of the page is called. */
  function end(options, result) {
    const says = result.errMsg.split(':')[1]
    const named = says === 'ok' ? 'success' : says === 'cancel' ? 'cancel' : 'fail'
    for (const name of [named, 'complete']) if (options[name]) options[name](result)
  }

  /** A call of the page that needs a right wx.config which has named it. */
  function call(name, path, argument, result) {
    return async function (options) {
      if (!allowed.includes(name)) return end(options, { errMsg: name + ':permission denied' })
      try {
        const answer = await post('phones/' + user + '/' + path, argument(options))
        end(options, Object.assign({ errMsg: name + ':fail ' + (answer.error || '') }, result(answer)))
      } catch (error) {
        end(options, { errMsg: name + ':fail ' + error })
      }
    }
  }

  window.wx = window.jWeixin = {
    async config(options) {
      outcome = undefined
      allowed = []
      const answer = await post('webpages/config', {
        app_id: options.appId,
        url: location.href.split('#')[0],
        nonce_str: options.nonceStr,
        timestamp: Number(options.timestamp),
        signature: options.signature,
      })
      if (answer.errMsg === 'config:ok') allowed = options.jsApiList
      configured(answer.errMsg)
    },
    ready(f) {
      if (outcome === 'config:ok') f()
      else onReady.push(f)
    },
    error(f) {
      onError.push(f)
    },
    checkJsApi(options) {
      const checkResult = {}
      for (const name of options.jsApiList) checkResult[name] = name in window.wx
      end(options, { errMsg: 'checkJsApi:ok', checkResult })
    },
    addCard: call(
      'addCard',
      'add-card',
      ({ cardList }) => ({ cardList: cardList.map(({ cardId, cardExt }) => ({ cardId, cardExt })) }),
      // A page that was closed without taking the card is "cancel" here, and no failure.
      ({ errMsg, cardList }) =>
        errMsg === 'addCard:fail cancel' ? { errMsg: 'addCard:cancel' } : errMsg ? { errMsg, cardList } : {},
    ),
    openCard: call(
      'openCard',
      'open-card',
      ({ cardList }) => ({ cardList: cardList.map(({ cardId, code }) => ({ cardId, code })) }),
      ({ errMsg }) => (errMsg ? { errMsg } : {}),
    ),
  }
})()
