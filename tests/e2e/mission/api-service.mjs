import { eventBus } from '@shared-infra/event-bus';

app.post('/photos/upload', async (req, res) => {
  const photo = await processUpload(req.file);

  // Notify everyone interested
  await eventBus.publish('photo.uploaded', {
    photoId: photo.id,
    userId: req.user.id,
    filename: photo.originalName
  });

  res.json({ success: true, photoId: photo.id });
});
