/**
 * WeChat's privacy check. Calls and buttons that read personal data make WeChat
 * ask the page for the user's consent, which components/privacy-consent does.
 */

/**
 * Asks for the consent now. <input type="nickname"> needs this, because it does
 * not ask itself. Reports whether the user has agreed.
 */
export function consent(): Promise<boolean> {
  // Before base library 2.32.3 WeChat did not check. These functions have no promise form.
  if (!wx.requirePrivacyAuthorize) return Promise.resolve(true)
  return new Promise((resolve) => {
    wx.requirePrivacyAuthorize({ success: () => resolve(true), fail: () => resolve(false) })
  })
}
