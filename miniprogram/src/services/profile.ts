/** The avatar and nickname that the user has entered. They are for the user's own eyes and stay on the phone. */
export interface Profile {
  /** The path of a file; '' if there is none. */
  avatar: string
  nickname: string
}

const storageKey = 'addcard.profile'

export const canEnterProfile = (): boolean => wx.canIUse('button.open-type.chooseAvatar')

export const profile = (): Profile =>
  wx.getStorageSync<Profile | ''>(storageKey) || { avatar: '', nickname: '' }

/**
 * Keeps a copy of the picture, because WeChat deletes the temporary file, and removes the previous one. Returns
 * undefined if the copy cannot be made, for example because the storage is full.
 */
export async function keepAvatar(tempFilePath: string): Promise<Profile | undefined> {
  const files = wx.getFileSystemManager()
  const avatar = await new Promise<string>((resolve) => {
    files.saveFile({
      tempFilePath,
      success: (saved) => resolve(saved.savedFilePath),
      fail: () => resolve(''),
    })
  })
  if (!avatar) return undefined
  const before = profile()
  if (before.avatar) files.removeSavedFile({ filePath: before.avatar })
  return keep({ ...before, avatar })
}

export const keepNickname = (nickname: string): Profile => keep({ ...profile(), nickname: nickname.trim() })

function keep(changed: Profile): Profile {
  wx.setStorageSync(storageKey, changed)
  return changed
}
