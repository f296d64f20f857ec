import { texts } from '../texts'

/** Asks the user to restart as soon as WeChat has downloaded a new version. Call it in App.onLaunch. */
export function offerUpdate(): void {
  const updates = wx.getUpdateManager()
  updates.onUpdateReady(async () => {
    const { confirm } = await wx.showModal({
      title: texts.updateTitle,
      content: texts.updateText,
      confirmText: texts.updateNow,
      cancelText: texts.updateLater,
    })
    if (confirm) updates.applyUpdate()
  })
}
