/** The phone's screen while a code is shown to a scanner. Failures are ignored: the code can be read all the same. */

/** The brightness to restore. It is stored, so that a crash does not lose it. */
const storageKey = 'addcard.brightness'
/** Phones may report a little less than the 1 that was set. */
const full = 0.95

let last = Promise.resolve()

/** Makes the screen bright and keeps it on. Call it in onShow; a repeated call does no harm. */
export const brighten = (): Promise<void> =>
  next(async () => {
    void wx.setKeepScreenOn({ keepScreenOn: true }).catch(() => undefined)
    const { value } = await wx.getScreenBrightness()
    // After a crash the screen is still bright, and the stored value is the one to restore.
    if (value < full || wx.getStorageSync(storageKey) === '')
      wx.setStorageSync(storageKey, isAndroid() ? -1 : value)
    await wx.setScreenBrightness({ value: 1 })
  })

/** Restores the brightness. Call it in onHide and onUnload, and in App.onLaunch because of crashes. */
export const dim = (): Promise<void> =>
  next(async () => {
    void wx.setKeepScreenOn({ keepScreenOn: false }).catch(() => undefined)
    const before = wx.getStorageSync<number | ''>(storageKey)
    if (before === '') return
    wx.removeStorageSync(storageKey)
    // If the user has changed the brightness meanwhile, it stays. Android reports the setting, not the screen.
    if (before === -1 || (await wx.getScreenBrightness()).value >= full)
      await wx.setScreenBrightness({ value: before })
  })

/** On Android, -1 lets the screen follow the system again, which may set the brightness automatically. */
const isAndroid = () => wx.getDeviceInfo().platform === 'android'

/** Runs act after the last one, so that they do not overtake each other if the user is quick. */
function next(act: () => Promise<void>): Promise<void> {
  last = last.then(act).catch(() => undefined)
  return last
}
