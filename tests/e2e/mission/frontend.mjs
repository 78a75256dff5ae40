// Connect to Event Bus
const socket = io('https://events.photo-platform.com');

// Listen for photo updates
socket.on('photo:processing.update', (event) => {
  updateProgressBar(event.photoId, event.progress);
});

socket.on('photo:processing.completed', (event) => {
  showThumbnails(event.photoId, event.thumbnails);
});
